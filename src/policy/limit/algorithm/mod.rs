//! How a limit follows what was measured.

mod aimd;
mod baseline;
mod gradient;
mod gradient2;
mod knee;
mod vegas;

use std::time::Duration;

pub use aimd::Aimd;
use baseline::Baseline;
pub use gradient::Gradient;
pub use gradient2::Gradient2;
pub use knee::Knee;
pub use vegas::Vegas;

use crate::kernel::Instant;

/// Decides on a limit from what was measured of the calls under the last one.
///
/// It is pure: it is told the time, and is asked by one thread at a time. Ten lines are enough for one:
///
/// ```
/// use cofferdam::limit::{AdaptiveLimit, Algorithm, Plan, Sample};
///
/// /// One more while it is in use and nothing is late, half of it otherwise.
/// #[derive(Clone)]
/// struct Halve;
///
/// impl Algorithm for Halve {
///     fn begin(&mut self, limit: u32) -> Plan {
///         Plan::limit(limit)
///     }
///     fn window(&mut self, sample: &Sample) -> Plan {
///         Plan::limit(match sample {
///             sample if sample.late + sample.overloaded > 0 => sample.limit / 2,
///             sample if sample.in_use => sample.limit + 1,
///             sample => sample.limit,
///         })
///     }
/// }
///
/// let limit = AdaptiveLimit::builder("payments").algorithm(Halve).build()?;
/// # let _ = limit; Ok::<(), cofferdam::Invalid>(())
/// ```
pub trait Algorithm: Clone + Send + 'static {
    /// What to begin with, for a limit that begins at that.
    fn begin(&mut self, limit: u32) -> Plan;

    /// A window has been measured. What it returns is kept within the bounds of the limit, and the next sample says what
    /// became of it.
    fn window(&mut self, sample: &Sample) -> Plan;

    /// Calls that began while little was in flight have been measured, as the plan had asked: all of them have ended.
    /// `None` leaves things as they are.
    fn quiet(&mut self, quiet: &Quiet) -> Option<Plan> {
        let _ = quiet;
        None
    }
}

/// What was measured in a window.
///
/// A call that ended is *late* if it took seven tenths of what its caller would wait; it *worked* if it succeeded or was
/// late. Calls that failed fast have neither worked nor are they late: they say nothing about how long work takes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// When the window ended.
    pub now: Instant,
    /// How long it was.
    pub length: Duration,
    /// The limit in that window.
    pub limit: u32,
    /// Whether the limit was reached in it.
    pub in_use: bool,
    /// How many calls ended, of those that began after the limit was last [cut](Plan::cut).
    pub calls: u64,
    /// How many of these were late.
    pub late: u64,
    /// How many of these the dependency turned away: "not now".
    pub overloaded: u64,
    /// How many calls worked, whenever they began.
    pub worked: u64,
    /// How many slots those held: as many as they are, unless calls have [weights](super::AdaptiveLimit::weighted).
    pub slots: u64,
    /// How long those took on average, where a call counts for each slot that it held.
    pub latency: Duration,
    /// How long the fastest that succeeded took; [`Duration::MAX`] if none did.
    pub fastest: Duration,
    /// How long callers wait, those who wait less than most; [`Duration::MAX`] if that is not known.
    pub patience: Duration,
}

impl Sample {
    /// How many slots the calls held that worked in a second: how many calls that were, unless they have weights. Times the
    /// latency that is how many slots were taken on average, by Little's law.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        per_second(self.slots, self.length)
    }

    /// How many slots a call held on average: one, unless calls have weights.
    #[must_use]
    pub fn weight(&self) -> f64 {
        if self.worked == 0 { 1.0 } else { self.slots as f64 / self.worked as f64 }
    }
}

/// Doubles below half of where something last went wrong, and goes on by steps above that: so a limit comes back in a few
/// windows, however low it was.
fn regrow(limit: f64, wrong: f64, next: f64) -> f64 {
    if 2.0 * limit <= wrong && wrong < f64::MAX { 2.0 * limit } else { next }
}

pub(super) fn per_second(calls: u64, length: Duration) -> f64 {
    calls as f64 / length.as_secs_f64().max(1e-9)
}

/// What was measured of calls that began while little was in flight.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Quiet {
    /// When the last of them ended.
    pub now: Instant,
    /// How many of them worked.
    pub worked: u64,
    /// How long those took on average, where a call counts for each slot that it held.
    pub latency: Duration,
    /// Whether the limit was lowered to measure them.
    pub probing: bool,
    /// How long callers wait, as in a [`Sample`].
    pub patience: Duration,
    /// The limit, of which the lowered one is only a phase.
    pub limit: u32,
}

/// What an algorithm wants to be done, and to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub(super) limit: u32,
    pub(super) quiet: Option<Measure>,
    pub(super) probing: bool,
    pub(super) cut: bool,
    pub(super) shortest: Duration,
    pub(super) calls: u32,
    pub(super) longest: Duration,
    pub(super) slow: Duration,
}

/// Which calls are measured on their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    pub(super) at_most: u32,
    pub(super) calls: u32,
}

/// The most calls that are measured on their own at a time.
const MOST_QUIET: u32 = 1000;

impl Plan {
    /// That limit, looked at again after a tenth of a second, or later if there have not been 16 calls; in any case after a
    /// second.
    #[must_use]
    pub fn limit(limit: u32) -> Self {
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        Self { limit, quiet: None, probing: false, cut: false, shortest, calls: 16, longest, slow: Duration::MAX }
    }

    /// Measures the calls that begin while at most so many slots are taken, their own included, or that are alone, on their own:
    /// so many of them, at most 1000 at a time.
    #[must_use]
    pub fn measure(self, at_most: u32, calls: u32) -> Self {
        Self { quiet: Some(Measure { at_most: at_most.max(1), calls: calls.clamp(1, MOST_QUIET) }), ..self }
    }

    /// Lowers the limit to what [`measure`](Self::measure) asks for until that has been measured.
    #[must_use]
    pub fn probe(self) -> Self {
        Self { probing: self.quiet.is_some(), ..self }
    }

    /// The limit was lowered because of what happened: calls that began before now are no evidence against the new one.
    #[must_use]
    pub fn cut(self) -> Self {
        Self { cut: true, ..self }
    }

    /// Counts a call that failed, or that its caller gave up, as late if it took that long: so long after, it was not refused,
    /// but not answered in time.
    ///
    /// Unless this is said, only what is late anyhow is.
    #[must_use]
    pub fn slow(self, after: Duration) -> Self {
        Self { slow: after, ..self }
    }

    /// Looks at it again after `shortest`, or later if so many calls have not ended; in any case after `longest`, when
    /// another call ends.
    #[must_use]
    pub fn look_again(self, shortest: Duration, calls: u32, longest: Duration) -> Self {
        Self { shortest, calls, longest, ..self }
    }
}
