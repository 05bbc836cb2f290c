//! Counts calls, and lets an algorithm decide on the limit from time to time.

use std::{mem, time::Duration};

use super::{
    algorithm::{Algorithm, Plan},
    begun::{Begun, Held, Weighed},
    cohort::Cohort,
    config::Settings,
    meter::Meter,
    patience::Patience,
    roller::{Cohorts, State},
};
use crate::kernel::{
    Deadline, Ended, Instant, Name, Outcome, clock,
    dependency::Report,
    lane::Lane,
    sync::{Arc, AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering, lock, try_lock},
    waiting::Slots,
};

/// What every call reads, and hardly any writes.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// When the window is looked at, in nanoseconds.
    pub(super) due: AtomicU64,
    /// Calls that began before then do not count.
    pub(super) last_cut: AtomicU64,
    /// A call that takes as many nanoseconds is late.
    pub(super) late: AtomicU64,
    /// One that failed is late already then.
    pub(super) slow: AtomicU64,
    /// One of every so many slots that calls take is timed exactly: a power of two, less one.
    pub(super) timed: AtomicU32,
    /// A call that begins while so many slots are taken, its own included, is taken into the cohort.
    pub(super) quiet: AtomicU32,
    /// How many deadlines are still to be looked at, for how long callers wait.
    pub(super) deadlines: AtomicU32,
    /// The limit was reached.
    pub(super) in_use: AtomicBool,
    /// The limit, of which a probe takes a part.
    pub(super) limit: AtomicU32,
    /// Nanoseconds that a call takes of late; and, as the bits of a float, the slots that calls which work in a second hold, and
    /// how many each of them does.
    pub(super) latency: AtomicU64,
    pub(super) throughput: AtomicU64,
    pub(super) weight: AtomicU64,
}

#[derive(Debug)]
pub(in crate::policy) struct Controller<A> {
    pub(in crate::policy) slots: Arc<Slots>,
    pub(super) marks: Lane<Marks>,
    pub(super) meter: Meter,
    pub(super) cohort: Mutex<Cohort>,
    pub(super) state: Mutex<State<A>>,
    /// Where others are told of pressure.
    pub(super) report: Option<Report>,
}

/// Algorithms may be anybody's: if one panics, the call whose end it was told of holds nothing any more.
struct OnPanic<'a> {
    slots: &'a Slots,
    held: Held,
}

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        self.slots.give_back(self.held.slots);
    }
}

/// How many deadlines are looked at before the first window.
const FIRST_DEADLINES: u32 = 16;

impl<A: Algorithm> Controller<A> {
    pub(super) fn new(mut algorithm: A, settings: Settings, report: Option<Report>, now: Instant) -> Self {
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
            report,
        };
        controller.marks.0.limit.store(limit, Ordering::Relaxed);
        controller.marks.0.deadlines.store(FIRST_DEADLINES, Ordering::Relaxed);
        controller.marks.0.weight.store(1_f64.to_bits(), Ordering::Relaxed);
        controller.follow(&mut lock(&controller.state), plan, now, Cohorts::Open);
        controller
    }

    pub(super) fn fresh(&self) -> Self {
        let (template, settings) = {
            let state = lock(&self.state);
            (state.template.clone(), state.settings)
        };
        // What is too much for one key is not too much for the dependency.
        Self::new(template, settings, None, clock::now())
    }

    /// A call has taken so many slots.
    #[inline(always)] // or what it has begun with is written to memory and read again
    pub(in crate::policy) fn began(&self, slots: u32, deadline: Option<Deadline>) -> Weighed {
        let marks = &self.marks.0;
        let quiet = marks.quiet.load(Ordering::Relaxed);
        let picked = self.meter.picks(marks.timed.load(Ordering::Relaxed), slots);
        let held = Held { slots, timed: picked };
        let begun = match deadline {
            _ if picked > 0 || quiet > 0 => self.begin(held, quiet, deadline),
            None => Begun::untimed(0),
            Some(deadline) => match deadline.remaining_if_far() {
                Some(left) => Begun::untimed(micros(left)),
                None => self.begin(held, quiet, Some(deadline)),
            },
        };
        Weighed { begun, held }
    }

    #[cold]
    #[inline(never)]
    fn begin(&self, held: Held, quiet: u32, deadline: Option<Deadline>) -> Begun {
        // One that is alone is in nobody's way, however heavy it is.
        let unhurried = quiet > 0 && self.slots.read().1 <= quiet.max(held.slots);
        let mark = if unhurried { self.take_into_cohort() } else { 0 };
        let timed = if held.timed > 0 || mark > 0 || deadline.is_some() { clock::now() } else { Instant::ORIGIN };
        let patience = deadline.map_or(0, |deadline| micros(deadline.moment().since(timed)));
        Begun::new(timed, patience, mark)
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
        if let Some(mut state) = try_lock(&self.state) {
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
            self.feel_pressure_now();
        }
    }

    #[cold]
    fn feel_pressure_now(&self) {
        self.feel_pressure(clock::coarse());
    }

    #[cold]
    pub(super) fn feel_pressure(&self, now: Instant) {
        if let Some(report) = &self.report {
            report.feel_pressure(now);
        }
    }

    /// A call has ended. Returns whether somebody waits for what it held.
    #[inline(always)]
    pub(in crate::policy) fn ended(&self, name: Name, Weighed { begun, held }: Weighed, ended: &Ended) -> bool {
        let marks = &self.marks.0;
        let plain = !begun.is_timed()
            && ended.outcome == Outcome::Success
            && ended.latency_nanos() < marks.late.load(Ordering::Relaxed)
            && ended.started.as_nanos() >= marks.last_cut.load(Ordering::Relaxed);
        if plain {
            self.meter.worked(held.slots);
        } else {
            self.judge(begun, held, *ended, name);
        }
        if ended.now.as_nanos() >= marks.due.load(Ordering::Relaxed) {
            self.look_after(held, ended.now, name);
        }
        self.slots.give_back(held.slots)
    }

    /// A call was never made. Returns whether somebody waits for what it held.
    pub(in crate::policy) fn undo(&self, Weighed { begun, held }: Weighed) -> bool {
        if begun.mark() > 0 {
            let mut cohort = lock(&self.cohort);
            cohort.give_back(begun.mark());
            self.marks.0.quiet.store(cohort.at_most(), Ordering::Relaxed);
        }
        self.slots.give_back(held.slots)
    }

    /// The window is due when a call has ended that held that.
    #[cold]
    #[inline(never)]
    fn look_after(&self, held: Held, now: Instant, name: Name) {
        let on_panic = OnPanic { slots: &self.slots, held };
        self.look(now, name);
        mem::forget(on_panic);
    }

    #[cold]
    #[inline(never)]
    fn judge(&self, begun: Begun, held: Held, ended: Ended, name: Name) {
        let on_panic = OnPanic { slots: &self.slots, held };
        self.judge_it(begun, held, ended, name);
        mem::forget(on_panic);
    }

    fn judge_it(&self, begun: Begun, held: Held, ended: Ended, name: Name) {
        let marks = &self.marks.0;
        let exact = begun.is_timed();
        let now = if exact { clock::now() } else { ended.now };
        let took = now.since(if exact { begun.timed() } else { ended.started }).as_nanos() as u64;
        let answered = ended.head.map_or(took, |_| ended.latency_nanos());
        let usual = marks.late.load(Ordering::Relaxed);
        let own = u64::from(begun.patience()) * 1000;
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
            self.meter.worked(held.slots);
            if exact && held.timed > 0 {
                self.meter.timed(counted, held.timed, ended.outcome == Outcome::Success);
            }
        }
        match ended.outcome {
            _ if late && !earlier => self.meter.late(),
            _ if worked && earlier => self.meter.earlier(),
            Outcome::Failure if !earlier => self.meter.failed(),
            Outcome::Overload if !earlier => self.meter.overloaded(),
            _ => {}
        }
        if begun.mark() > 0 {
            let measured = lock(&self.cohort).end(begun.mark(), held.slots, worked.then_some(counted));
            if let Some(measured) = measured {
                self.learn(&mut lock(&self.state), measured, now);
                self.tell(name);
            }
        }
    }

    /// The limit, whatever part of it a probe takes.
    pub(in crate::policy) fn limit(&self) -> u32 {
        self.marks.0.limit.load(Ordering::Relaxed)
    }

    /// How long a call takes of late, in nanoseconds, and how many slots those that work in a second hold; zero before anything
    /// is known.
    pub(in crate::policy) fn pace(&self) -> (u64, f64) {
        let marks = &self.marks.0;
        (marks.latency.load(Ordering::Relaxed), f64::from_bits(marks.throughput.load(Ordering::Relaxed)))
    }

    /// How many slots a call holds of late: one, but for weights.
    pub(in crate::policy) fn weight(&self) -> f64 {
        f64::from_bits(self.marks.0.weight.load(Ordering::Relaxed))
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
