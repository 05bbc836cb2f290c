//! Looks at a window when it is due, and does what the algorithm says.

use std::time::Duration;

use super::{
    algorithm::{Algorithm, Measure, Plan, Quiet, Sample},
    cohort::Measured,
    config::Settings,
    controller::Controller,
    meter::Counted,
    patience::Patience,
};
use crate::kernel::{
    Instant, Name, clock,
    sync::{Ordering, lock, try_lock},
    waiting::LARGEST,
};

/// What the thread that looks at a window keeps.
#[derive(Debug)]
pub(super) struct State<A> {
    pub(super) algorithm: A,
    /// As it was before it began.
    pub(super) template: A,
    pub(super) plan: Plan,
    pub(super) settings: Settings,
    pub(super) patience: Patience,
    pub(super) began: Instant,
    pub(super) throughput: f64,
    /// In seconds.
    pub(super) latency: Option<f64>,
    /// A probe ends then, whoever has not come.
    pub(super) probe_until: Instant,
}

/// Whether calls are measured on their own from now on, or from the next window on: one cohort in a window is enough, and
/// the calls of a cohort cost more than others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cohorts {
    Open,
    Later,
}

/// How many deadlines are looked at between two windows.
const DEADLINES: u32 = 4;
/// Slots of which the calls are timed exactly in a window, about: a smaller share of them if there are many.
const TIMED: f64 = 256.0;

impl<A: Algorithm> Controller<A> {
    /// The window is due: one thread looks at it, and the others go on.
    #[cold]
    pub(super) fn look(&self, now: Instant, name: Name) {
        let Some(mut state) = try_lock(&self.state) else { return };
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
            slots: counted.slots,
            latency,
            fastest: counted.fastest.map_or(Duration::MAX, Duration::from_nanos),
            patience: state.patience.of(state.settings.patience),
        };
        self.publish(state, &counted, &sample);
        // Should the algorithm panic, it is asked again a window later, and by no call before that.
        state.began = now;
        marks.due.store(now.after(state.plan.shortest).as_nanos(), Ordering::Relaxed);
        let plan = state.algorithm.window(&sample);
        if plan.cut || in_use {
            self.feel_pressure(now);
        }
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
        marks.weight.store(sample.weight().to_bits(), Ordering::Relaxed);
        let every = sample.throughput() * state.plan.shortest.as_secs_f64() / TIMED;
        let every = (every.clamp(1.0, f64::from(LARGEST)) as u32).next_power_of_two();
        marks.timed.store(every - 1, Ordering::Relaxed);
    }

    /// A cohort was measured.
    pub(super) fn learn(&self, state: &mut State<A>, measured: Measured, now: Instant) {
        let Measured { worked, slots, nanos, probing } = measured;
        let latency = nanos.checked_div(u128::from(slots)).unwrap_or(0);
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

    pub(super) fn follow(&self, state: &mut State<A>, plan: Plan, now: Instant, cohorts: Cohorts) {
        let marks = &self.marks.0;
        let limit = state.settings.keep(plan.limit);
        self.slots.changes.change(|| {
            let before = marks.limit.load(Ordering::Relaxed);
            marks.limit.store(limit, Ordering::Relaxed);
            (before, limit)
        });
        let goes_on = self.measure(&plan, cohorts, state.settings);
        if plan.probing && !goes_on {
            state.probe_until = now.after(plan.longest.saturating_mul(2));
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

    pub(super) fn mark_late(&self, state: &State<A>) {
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
    pub(super) fn tell(&self, name: Name) {
        let changes = &self.slots.changes;
        changes.hand_out(|from, to| changes.tell_limit(name, from.into(), to.into()));
    }
}
