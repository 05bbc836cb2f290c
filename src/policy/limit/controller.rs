//! Counts calls, and lets an algorithm decide on the limit from time to time.

use std::time::Duration;

use super::{
    algorithm::{Algorithm, Measure, Plan, Quiet, Sample, per_second},
    cohort::{Cohort, Measured},
    config::Settings,
    meter::{Counted, Meter},
    patience::Patience,
};
use crate::kernel::{
    Deadline, Ended, Instant, Name, Outcome, clock,
    lane::Lane,
    sync::{Arc, AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering, lock},
    waiting::Slots,
};

/// What every call reads, and hardly any writes.
#[derive(Debug, Default)]
struct Marks {
    /// When the window is looked at, in nanoseconds.
    due: AtomicU64,
    /// Calls that began before then do not count.
    last_cut: AtomicU64,
    /// A call that takes as many nanoseconds is late.
    late: AtomicU64,
    /// One that failed is late already then.
    slow: AtomicU64,
    /// One of every so many calls is timed exactly: a power of two, less one.
    timed: AtomicU32,
    /// A call that begins while so many are in flight, itself included, is taken into the cohort.
    quiet: AtomicU32,
    /// How many deadlines are still to be looked at, for how long callers wait.
    deadlines: AtomicU32,
    /// The limit was reached.
    in_use: AtomicBool,
    /// The limit, of which a probe takes a part.
    limit: AtomicU32,
    /// Nanoseconds that a call takes of late, and calls that work in a second, as the bits of a float.
    latency: AtomicU64,
    throughput: AtomicU64,
}

/// What the thread that looks at a window keeps.
#[derive(Debug)]
struct State<A> {
    algorithm: A,
    /// As it was before it began.
    template: A,
    plan: Plan,
    settings: Settings,
    patience: Patience,
    began: Instant,
    throughput: f64,
    /// In seconds.
    latency: Option<f64>,
    /// A probe ends then, whoever has not come.
    probe_until: Instant,
}

#[derive(Debug)]
pub(in crate::policy) struct Controller<A> {
    pub(in crate::policy) slots: Arc<Slots>,
    marks: Lane<Marks>,
    meter: Meter,
    cohort: Mutex<Cohort>,
    state: Mutex<State<A>>,
}

/// Whether calls are measured on their own from now on, or from the next window on: one cohort in a window is enough, and
/// the calls of a cohort cost more than others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cohorts {
    Open,
    Later,
}

/// A call that began.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    /// When, exactly, if it is timed; else [`Instant::ORIGIN`].
    timed: Instant,
    /// How many microseconds its caller waits; zero if it did not say.
    patience: u32,
    /// The cohort it is in; zero for none.
    mark: u32,
}

impl Begun {
    /// Whether the deadline had passed when it began.
    pub(in crate::policy) fn is_too_late(self, deadline: Option<Deadline>) -> bool {
        self.patience == 0 && deadline.is_some()
    }
}

/// How many deadlines are looked at between two windows.
const DEADLINES: u32 = 4;
/// And how many before the first.
const FIRST_DEADLINES: u32 = 16;
/// Calls that are timed exactly in a window, about: fewer of them if there are many.
const TIMED: f64 = 256.0;

impl<A: Algorithm> Controller<A> {
    pub(super) fn new(mut algorithm: A, settings: Settings, now: Instant) -> Self {
        let template = algorithm.clone();
        let limit = settings.keep(settings.initial_limit);
        let plan = algorithm.begin(limit);
        let state = State {
            algorithm,
            template,
            plan,
            settings,
            patience: Patience::default(),
            began: now,
            throughput: 0.0,
            latency: None,
            probe_until: Instant::NEVER,
        };
        let controller = Self {
            slots: Arc::new(Slots::new(limit)),
            marks: Lane::default(),
            meter: Meter::new(),
            cohort: Mutex::default(),
            state: Mutex::new(state),
        };
        controller.marks.0.limit.store(limit, Ordering::Relaxed);
        controller.marks.0.deadlines.store(FIRST_DEADLINES, Ordering::Relaxed);
        controller.follow(&mut lock(&controller.state), plan, now, Cohorts::Open);
        controller
    }

    pub(super) fn fresh(&self) -> Self {
        let (template, settings) = {
            let state = lock(&self.state);
            (state.template.clone(), state.settings)
        };
        Self::new(template, settings, clock::now())
    }

    /// A call has taken a slot.
    #[inline]
    pub(in crate::policy) fn began(&self, deadline: Option<Deadline>) -> Begun {
        let marks = &self.marks.0;
        let quiet = marks.quiet.load(Ordering::Relaxed);
        let plain = Begun { timed: Instant::ORIGIN, patience: 0, mark: 0 };
        let picked = self.meter.picks(marks.timed.load(Ordering::Relaxed));
        if !picked && quiet == 0 && deadline.is_none() {
            return plain;
        }
        self.begin(picked, quiet, deadline)
    }

    #[inline(never)]
    fn begin(&self, picked: bool, quiet: u32, deadline: Option<Deadline>) -> Begun {
        let mark = if quiet > 0 && self.slots.read().1 <= quiet { self.take_into_cohort() } else { 0 };
        let timed = if picked || mark > 0 || deadline.is_some() { clock::now() } else { Instant::ORIGIN };
        let patience = deadline.map_or(0, |deadline| micros(deadline.moment().since(timed)));
        Begun { timed, patience, mark }
    }

    fn take_into_cohort(&self) -> u32 {
        let mut cohort = lock(&self.cohort);
        let mark = cohort.take().unwrap_or(0);
        let at_most = cohort.at_most();
        if at_most == 0 {
            self.marks.0.quiet.store(0, Ordering::Relaxed);
            if cohort.probing {
                // All that it needs have begun: the others need not wait for them to end.
                self.slots.set_limit(self.marks.0.limit.load(Ordering::Relaxed));
            }
        }
        mark
    }

    /// A caller has come that waits until then, whether its call begins now or later.
    #[inline]
    pub(in crate::policy) fn asked(&self, deadline: Option<Deadline>) {
        if self.marks.0.deadlines.load(Ordering::Relaxed) > 0
            && let Some(deadline) = deadline
        {
            self.learn_patience(deadline);
        }
    }

    #[cold]
    fn learn_patience(&self, deadline: Deadline) {
        if let Ok(mut state) = self.state.try_lock() {
            let left = self.marks.0.deadlines.load(Ordering::Relaxed);
            self.marks.0.deadlines.store(left.saturating_sub(1), Ordering::Relaxed);
            state.patience.learn(deadline.remaining());
            self.mark_late(&state);
        }
    }

    /// Somebody found no slot.
    #[inline]
    pub(in crate::policy) fn found_none(&self) {
        let in_use = &self.marks.0.in_use;
        if !in_use.load(Ordering::Relaxed) {
            in_use.store(true, Ordering::Relaxed);
        }
    }

    /// A call has ended. Returns whether somebody waits for its slot.
    #[inline]
    pub(in crate::policy) fn ended(&self, name: Name, begun: Begun, ended: &Ended) -> bool {
        let marks = &self.marks.0;
        let plain = begun.timed == Instant::ORIGIN
            && ended.outcome == Outcome::Success
            && ended.latency_nanos() < marks.late.load(Ordering::Relaxed)
            && ended.started.as_nanos() >= marks.last_cut.load(Ordering::Relaxed);
        if plain {
            self.meter.worked();
        } else {
            self.judge(begun, *ended, name);
        }
        if ended.now.as_nanos() >= marks.due.load(Ordering::Relaxed) {
            self.look(ended.now, name);
        }
        self.slots.give_back(1)
    }

    /// A call was never made. Returns whether somebody waits for its slot.
    pub(in crate::policy) fn undo(&self, begun: Begun) -> bool {
        if begun.mark > 0 {
            let mut cohort = lock(&self.cohort);
            cohort.give_back(begun.mark);
            self.marks.0.quiet.store(cohort.at_most(), Ordering::Relaxed);
        }
        self.slots.give_back(1)
    }

    #[inline(never)]
    fn judge(&self, begun: Begun, ended: Ended, name: Name) {
        let marks = &self.marks.0;
        let exact = begun.timed != Instant::ORIGIN;
        let now = if exact { clock::now() } else { ended.now };
        let took = now.since(if exact { begun.timed } else { ended.started }).as_nanos() as u64;
        let answered = ended.head.map_or(took, |_| ended.latency_nanos());
        let usual = marks.late.load(Ordering::Relaxed);
        let own = u64::from(begun.patience) * 1000;
        let late_after = usual.max(own / 10 * 7);
        let late = match ended.outcome {
            Outcome::Ignored => false,
            Outcome::Success | Outcome::Overload => answered >= late_after,
            Outcome::Failure | Outcome::Abandoned => answered >= late_after.min(marks.slow.load(Ordering::Relaxed)),
        };
        let earlier = ended.started.as_nanos() < marks.last_cut.load(Ordering::Relaxed);
        let worked = late || ended.outcome == Outcome::Success;
        // Nobody waits any longer, so longer it did not take.
        let counted = took.min(late_after / 7 * 10);
        if worked {
            self.meter.worked();
            if exact {
                self.meter.timed(counted, ended.outcome == Outcome::Success);
            }
        }
        match ended.outcome {
            _ if late && !earlier => self.meter.late(),
            _ if worked && earlier => self.meter.earlier(),
            Outcome::Failure if !earlier => self.meter.failed(),
            Outcome::Overload if !earlier => self.meter.overloaded(),
            _ => {}
        }
        if begun.mark > 0 {
            let measured = lock(&self.cohort).end(begun.mark, worked.then_some(counted));
            if let Some(measured) = measured {
                self.learn(&mut lock(&self.state), measured, now);
                self.tell(name);
            }
        }
    }

    /// The window is due: one thread looks at it, and the others go on.
    #[cold]
    fn look(&self, now: Instant, name: Name) {
        let Ok(mut state) = self.state.try_lock() else { return };
        if now.as_nanos() < self.marks.0.due.load(Ordering::Relaxed) {
            return;
        }
        if now >= state.probe_until {
            let measured = lock(&self.cohort).close();
            self.learn(&mut state, measured, now);
        }
        let age = now.since(state.began);
        let early = age < state.plan.longest && !self.meter.read().is_enough(state.plan.calls);
        if age < state.plan.shortest || early {
            self.put_off(&state, now);
        } else {
            self.roll(&mut state, now, age);
        }
        drop(state);
        self.tell(name);
    }

    /// Looks again in a while, as too few calls have ended.
    fn put_off(&self, state: &State<A>, now: Instant) {
        let soon = now.after((state.plan.shortest / 8).max(Duration::from_millis(1)));
        let due = soon.max(state.began.after(state.plan.shortest)).min(state.began.after(state.plan.longest));
        self.marks.0.due.store(due.min(state.probe_until).as_nanos(), Ordering::Relaxed);
    }

    fn roll(&self, state: &mut State<A>, now: Instant, age: Duration) {
        let marks = &self.marks.0;
        let counted = self.meter.take();
        let (limit, in_flight) = self.slots.read();
        let in_use = marks.in_use.load(Ordering::Relaxed) || in_flight >= limit;
        let latency = Duration::from_nanos(counted.micros.saturating_mul(1000).checked_div(counted.timed).unwrap_or(0));
        let sample = Sample {
            now,
            length: age,
            limit: marks.limit.load(Ordering::Relaxed),
            in_use,
            calls: counted.calls(),
            late: counted.late,
            overloaded: counted.overloaded,
            worked: counted.worked,
            latency,
            fastest: counted.fastest.map_or(Duration::MAX, Duration::from_nanos),
            patience: state.patience.of(state.settings.patience),
        };
        self.publish(state, &counted, &sample);
        let plan = state.algorithm.window(&sample);
        state.began = now;
        self.follow(state, plan, now, Cohorts::Open);
        let (limit, in_flight) = self.slots.read();
        marks.in_use.store(in_flight >= limit, Ordering::Relaxed);
        marks.deadlines.store(DEADLINES, Ordering::Relaxed);
    }

    /// What those who wait are told: how long calls take, and how many end.
    fn publish(&self, state: &mut State<A>, counted: &Counted, sample: &Sample) {
        let marks = &self.marks.0;
        let throughput = sample.throughput();
        if !state.plan.probing {
            let near = throughput > state.throughput / 2.0 && throughput < state.throughput * 2.0;
            state.throughput += if near { 0.2 } else { 1.0 } * (throughput - state.throughput);
            marks.throughput.store(state.throughput.to_bits(), Ordering::Relaxed);
        }
        if counted.timed > 0 {
            let latency = sample.latency.as_secs_f64();
            let smoothed = state.latency.map_or(latency, |before| before + 0.5 * (latency - before));
            state.latency = Some(smoothed);
            marks.latency.store((smoothed * 1e9) as u64, Ordering::Relaxed);
        }
        let every = per_second(counted.worked, sample.length) * state.plan.shortest.as_secs_f64() / TIMED;
        let every = (every.clamp(1.0, 65_536.0) as u32).next_power_of_two();
        marks.timed.store(every - 1, Ordering::Relaxed);
    }

    /// A cohort was measured.
    fn learn(&self, state: &mut State<A>, measured: Measured, now: Instant) {
        let Measured { worked, nanos, probing } = measured;
        let latency = nanos.checked_div(u128::from(worked)).unwrap_or(0);
        let quiet = Quiet {
            now,
            worked,
            latency: Duration::from_nanos(latency as u64),
            probing,
            patience: state.patience.of(state.settings.patience),
            limit: self.marks.0.limit.load(Ordering::Relaxed),
        };
        let plan = state.algorithm.quiet(&quiet).unwrap_or(Plan { probing: false, cut: false, ..state.plan });
        self.follow(state, plan, now, Cohorts::Later);
    }

    fn follow(&self, state: &mut State<A>, plan: Plan, now: Instant, cohorts: Cohorts) {
        let marks = &self.marks.0;
        let limit = state.settings.keep(plan.limit);
        self.slots.changes.change(|| {
            let before = marks.limit.load(Ordering::Relaxed);
            marks.limit.store(limit, Ordering::Relaxed);
            (before, limit)
        });
        let goes_on = self.measure(&plan, cohorts, state.settings);
        if plan.probing && !goes_on {
            state.probe_until = now.after(plan.longest * 2);
        } else if !plan.probing {
            state.probe_until = Instant::NEVER;
        }
        if plan.cut {
            marks.last_cut.store(now.as_nanos(), Ordering::Relaxed);
        }
        self.mark_late(state);
        marks.slow.store(clock::nanos(plan.slow), Ordering::Relaxed);
        state.plan = plan;
        let due = state.began.after(plan.shortest).min(state.probe_until);
        marks.due.store(due.as_nanos(), Ordering::Relaxed);
    }

    fn mark_late(&self, state: &State<A>) {
        let usual = state.patience.of(state.settings.patience);
        self.marks.0.late.store(clock::nanos(usual) / 10 * 7, Ordering::Relaxed);
    }

    /// Opens a cohort if there is none that goes on, and sets the limit that holds meanwhile. Returns whether one goes on.
    fn measure(&self, plan: &Plan, cohorts: Cohorts, settings: Settings) -> bool {
        let marks = &self.marks.0;
        let limit = marks.limit.load(Ordering::Relaxed);
        let mut cohort = lock(&self.cohort);
        let goes_on = cohort.is_open() && cohort.probing == plan.probing;
        let floor = settings.probe_floor();
        match plan.quiet {
            None => cohort.discard(),
            Some(measure) if goes_on => cohort.adjust(measure.at_most.max(floor)),
            Some(_) if !plan.probing && cohorts == Cohorts::Later => cohort.discard(),
            Some(Measure { at_most, calls }) => {
                cohort.open(Measure { at_most: at_most.max(floor), calls }, plan.probing);
            }
        }
        let at_most = cohort.at_most();
        marks.quiet.store(at_most, Ordering::Relaxed);
        let held = if plan.probing && at_most > 0 { limit.min(at_most) } else { limit };
        if self.slots.read().0 != held {
            self.slots.set_limit(held);
        }
        goes_on
    }

    /// Tells of what became of the limit. Under no lock.
    fn tell(&self, name: Name) {
        let changes = &self.slots.changes;
        changes.hand_out(|from, to| changes.tell_limit(name, from.into(), to.into()));
    }

    /// The limit, whatever part of it a probe takes.
    pub(in crate::policy) fn limit(&self) -> u32 {
        self.marks.0.limit.load(Ordering::Relaxed)
    }

    /// How long a call takes of late, in nanoseconds, and how many work in a second; zero before anything is known.
    pub(in crate::policy) fn pace(&self) -> (u64, f64) {
        let marks = &self.marks.0;
        (marks.latency.load(Ordering::Relaxed), f64::from_bits(marks.throughput.load(Ordering::Relaxed)))
    }

    /// How long callers wait.
    pub(in crate::policy) fn patience(&self) -> Duration {
        Duration::from_nanos(self.marks.0.late.load(Ordering::Relaxed) / 7 * 10)
    }

    pub(super) fn settings(&self) -> Settings {
        lock(&self.state).settings
    }

    pub(super) fn configure(&self, name: Name, settings: Settings) {
        let mut state = lock(&self.state);
        state.settings = settings;
        let plan = Plan { limit: self.limit(), cut: false, ..state.plan };
        self.follow(&mut state, plan, clock::now(), Cohorts::Later);
        drop(state);
        self.tell(name);
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
