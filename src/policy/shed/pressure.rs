//! Sheds the lowest ranks for as long as a signal says that there is too much to do.

use std::{fmt, time::Duration};

use super::signal::Signal;
use crate::kernel::{
    Instant, clock,
    context::Rank,
    sync::{Arc, AtomicU32, AtomicU64, Ordering},
};

/// How much of the demand is shed. Pure.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shedding(f64);

/// What a step adds at most: a gauge that is slow to follow must not cost everything at once.
const STEP_UP: f64 = 0.1;
const STEP_DOWN: f64 = 0.05;
/// Something is always let in, to see whether it is better.
const MOST: f64 = 0.95;

impl Shedding {
    /// So hard pressed in this step: the worst of all signals that could say.
    #[must_use]
    pub(super) fn step(self, pressure: Option<f64>) -> Self {
        let pressure = pressure.filter(|pressure| *pressure >= 0.0).unwrap_or(0.0);
        let step = if pressure > 1.0 { ((pressure - 1.0) / 2.0).min(STEP_UP) } else { -STEP_DOWN };
        Self((self.0 + step).clamp(0.0, MOST))
    }

    /// The rank below which calls are shed, where so many were asked for by rank.
    #[must_use]
    pub(super) fn cut(self, demand: &[u32; Rank::COUNT]) -> u32 {
        // A rank that nobody has asked for yet is not below all others then.
        if self.0 == 0.0 {
            return 0;
        }
        let all: f64 = demand.iter().map(|calls| f64::from(*calls)).sum();
        let mut below = 0.0;
        for (rank, calls) in demand.iter().enumerate() {
            below += f64::from(*calls);
            if below > self.0 * all {
                return rank as u32;
            }
        }
        0
    }
}

/// The signals of a service, and what they have led to.
pub(super) struct Pressure {
    signals: Arc<[Box<dyn Signal>]>,
    /// How long calls may wait in line at least, in nanoseconds; zero if that is no signal.
    pub(super) queue_delay: AtomicU64,
    /// The shortest wait since the last step.
    shortest_wait: AtomicU64,
    demand: [AtomicU32; Rank::COUNT],
    cut: AtomicU32,
    /// As the bits of a float.
    shedding: AtomicU64,
    due: AtomicU64,
}

const STEP: Duration = Duration::from_millis(100);

impl Pressure {
    pub(super) fn new(signals: Arc<[Box<dyn Signal>]>, queue_delay: Option<Duration>) -> Self {
        Self {
            signals,
            queue_delay: AtomicU64::new(queue_delay.map_or(0, clock::nanos)),
            shortest_wait: AtomicU64::new(u64::MAX),
            demand: std::array::from_fn(|_| AtomicU32::new(0)),
            cut: AtomicU32::new(0),
            shedding: AtomicU64::new(0),
            due: AtomicU64::new(0),
        }
    }

    pub(super) fn fresh(&self) -> Self {
        let queue_delay = self.queue_delay.load(Ordering::Relaxed);
        Self::new(Arc::clone(&self.signals), (queue_delay > 0).then(|| Duration::from_nanos(queue_delay)))
    }

    /// Whether a call of that rank is let in.
    pub(super) fn lets_in(&self, rank: Rank) -> bool {
        let now = clock::coarse();
        let due = self.due.load(Ordering::Relaxed);
        let next = now.after(STEP).as_nanos();
        if now.as_nanos() >= due && self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.step(now);
        }
        self.demand[rank.index()].fetch_add(1, Ordering::Relaxed);
        rank.index() as u32 >= self.cut.load(Ordering::Relaxed)
    }

    /// A call came in that had waited for so long.
    pub(super) fn waited(&self, time: Duration) {
        self.shortest_wait.fetch_min(clock::nanos(time), Ordering::Relaxed);
    }

    #[cold]
    fn step(&self, now: Instant) {
        let demand: [u32; Rank::COUNT] = std::array::from_fn(|rank| {
            let calls = self.demand[rank].load(Ordering::Relaxed);
            // What was asked for before counts half with each step.
            self.demand[rank].fetch_sub(calls - calls / 2, Ordering::Relaxed);
            calls
        });
        let valid = |pressure: &f64| pressure.is_finite() && *pressure >= 0.0;
        let signals = self.signals.iter().filter_map(|signal| signal.pressure(now)).filter(valid);
        let worst = signals.chain(self.delay()).reduce(f64::max);
        let shedding = Shedding(f64::from_bits(self.shedding.load(Ordering::Relaxed))).step(worst);
        self.shedding.store(shedding.0.to_bits(), Ordering::Relaxed);
        self.cut.store(shedding.cut(&demand), Ordering::Relaxed);
    }

    /// The line stands if even the shortest wait is long: a burst that is worked off does not count. This is the measure of
    /// CoDel (Nichols and Jacobson, 2012).
    fn delay(&self) -> Option<f64> {
        let target = self.queue_delay.load(Ordering::Relaxed);
        let shortest = self.shortest_wait.swap(u64::MAX, Ordering::Relaxed);
        (target > 0 && shortest < u64::MAX).then(|| shortest as f64 / target as f64)
    }

    /// How much of the demand is shed: 0 to 0.95.
    pub(super) fn shedding(&self) -> f64 {
        f64::from_bits(self.shedding.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pressure")
            .field("signals", &self.signals.len())
            .field("shedding", &self.shedding())
            .finish_non_exhaustive()
    }
}
