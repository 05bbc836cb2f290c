//! What is learned of a dependency, and what of the pool it may take: pure, told the time.

use crate::kernel::{Ended, Outcome};

/// How long nearly all answers of a dependency take, and how long they took while it was well, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pace {
    pub(super) delay: f64,
    pub(super) baseline: f64,
    pub(super) samples: u32,
}

/// Answers that make a baseline.
const ENOUGH: u32 = 20;

/// One of so many calls takes longer than the delay.
const ONE_OF: f64 = 50.0;

/// How far a call moves the delay if it takes longer.
const STEP: f64 = 0.02;

/// In this time the baseline at most doubles, so that what has become slow is not soon taken for normal.
const DOUBLES: f64 = 60e9;

/// From so many times the baseline on, a dependency is taken to be sick.
const SICK: f64 = 3.0;

/// From so many times the baseline on, nothing is learned of what it needs: half as many slots again are not needed because
/// answers take half as long again.
const UNWELL: f64 = 1.3;

/// The clock is read to a tick, and those may be as long as that.
const TICK: f64 = 10e6;

impl Pace {
    /// A call was answered after so many nanoseconds, or was given up after more than the delay.
    #[inline]
    pub(super) fn learn(self, took: f64) -> Self {
        let Self { delay, baseline, samples } = self;
        let moved = match (samples < ENOUGH, took > delay) {
            (true, _) => delay.max(took),
            // It settles where one of fifty is longer, as that one moves it as far as the others together.
            (false, true) => took.min(delay * (1.0 + STEP) + 1.0),
            (false, false) => took.max(delay * (1.0 - STEP / (ONE_OF - 1.0))),
        };
        // Less than a nanosecond is nothing, and numbers that come ever closer to zero are slow to reckon with.
        let moved = if moved < 1.0 { 0.0 } else { moved };
        if samples < ENOUGH {
            return Self { delay: moved, baseline: moved, samples: samples + 1 };
        }
        Self { delay: moved, baseline: baseline.min(moved), samples }
    }

    /// So many nanoseconds have passed, in which nobody was harmed: the baseline follows the delay.
    #[inline]
    pub(super) fn follow(self, passed: f64) -> Self {
        // All but the first of a tick come at the same time.
        let growth = if passed == 0.0 { 1.0 } else { growth(passed) };
        let risen = self.baseline * growth + 1.0;
        Self { baseline: self.delay.min(risen), ..self }
    }

    /// Whether answers come within a tick of the clock, so that one more of those says nothing new.
    #[inline]
    pub(super) fn is_instant(self) -> bool {
        self.delay == 0.0 && self.baseline == 0.0 && self.is_known()
    }

    #[inline]
    fn is_known(self) -> bool {
        self.samples >= ENOUGH
    }

    /// Whether it takes so much longer than it did that it is sick, or has been silent for longer than an answer takes.
    pub(super) fn is_sick(self, silent: f64) -> bool {
        self.is_known() && (self.delay > TICK.max(SICK * self.baseline) || silent > TICK.max(self.baseline))
    }

    /// Whether what it uses is what it needs.
    #[inline]
    pub(super) fn is_well(self) -> bool {
        self.delay <= TICK.max(UNWELL * self.baseline)
    }
}

/// By how much the baseline may have grown in so many nanoseconds.
#[cold]
#[inline(never)]
fn growth(passed: f64) -> f64 {
    (passed.min(DOUBLES) / DOUBLES * std::f64::consts::LN_2).exp()
}

/// What the end of a call says of how fast the dependency is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It has answered, and well.
    Answer,
    /// It has answered, but how long a failure takes says nothing.
    Failure,
    /// Nobody has heard of it for longer than an answer takes.
    Silence,
    /// Nothing.
    Nothing,
}

impl Word {
    /// A failure that took longer than nearly all answers is most likely a timeout.
    #[inline]
    pub(super) fn of(ended: &Ended, delay: f64) -> Self {
        let is_late = ended.latency_nanos() as f64 > delay;
        match ended.outcome {
            Outcome::Success => Self::Answer,
            Outcome::Failure | Outcome::Overload if !is_late => Self::Failure,
            Outcome::Failure | Outcome::Overload | Outcome::Abandoned if is_late => Self::Silence,
            _ => Self::Nothing,
        }
    }
}

/// Of how many calls the mean use is the mean, about.
pub(super) const MEMORY: u32 = 128;

/// The mean use after a call has found so many slots in use. Calls that come at random see what is usual, without a clock.
#[inline]
pub(super) fn mean(mean: f64, calls: u32, found: u32) -> f64 {
    let away = f64::from(found) - mean;
    // A product is the same here, and a division takes three times as long.
    let calls = calls.saturating_add(1);
    let step = if calls >= MEMORY { away * (1.0 / f64::from(MEMORY)) } else { away / f64::from(calls) };
    let moved = mean + step;
    // As of delays: what nobody uses is nothing in the end.
    if moved < 1e-9 { 0.0 } else { moved }
}

/// What a dependency needs: what it uses while all is well, and what is usual above that.
pub(super) fn guarantee(mean: f64) -> f64 {
    mean + mean.sqrt() + 1.0
}

/// What a dependency holds, and what it is guaranteed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stake {
    pub(super) held: u32,
    pub(super) guarantee: f64,
}

/// A look at all the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sum {
    pub(super) held: f64,
    pub(super) guarantees: f64,
}

impl Sum {
    pub(super) fn of(stakes: impl Iterator<Item = Stake>) -> Self {
        stakes.fold(Self::default(), |sum, stake| Self {
            held: sum.held + f64::from(stake.held),
            guarantees: sum.guarantees + stake.guarantee,
        })
    }

    /// What a dependency may hold whatever anybody says of it: its part of the pool.
    pub(super) fn own(self, guarantee: f64, slots: u32) -> u32 {
        (guarantee * f64::from(slots) / self.guarantees.max(guarantee)) as u32
    }

    /// By how much the guarantees are cut, where the pool is smaller than all of them.
    fn scale(self, slots: u32) -> f64 {
        (f64::from(slots) / self.guarantees.max(1.0)).min(1.0)
    }
}

/// How a call beyond its own part of the pool stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// It would take a slot that others are guaranteed, and are not using at this moment.
    pub(super) takes_from_others: bool,
    /// Nobody is further above its guarantee.
    pub(super) is_the_largest: bool,
}

/// Judges a call, which `own` counts already, by what the others hold. `taken` is how many of the slots are.
pub(super) fn judge(own: Stake, others: impl Iterator<Item = Stake>, sum: Sum, slots: u32, taken: f64) -> Verdict {
    let scale = sum.scale(slots);
    let excess = |stake: Stake| f64::from(stake.held) / stake.guarantee;
    let alone = Verdict { takes_from_others: false, is_the_largest: true };
    let (verdict, _) = others.fold((alone, 0.0), |(verdict, unused), other| {
        let unused = unused + (scale * other.guarantee - f64::from(other.held)).max(0.0);
        let takes_from_others = f64::from(slots) - taken < unused;
        let is_the_largest = verdict.is_the_largest && excess(own) >= excess(other);
        (Verdict { takes_from_others, is_the_largest }, unused)
    });
    verdict
}
