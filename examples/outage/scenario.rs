//! What happens, and when it happened.

use std::{ops::Range, time::Duration};

use cofferdam::Instant;

/// What figures are measured over.
pub(crate) type Stretch = Range<Instant>;

/// What is wrong with a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Healthy,
    /// It takes calls and does not answer them.
    Hang,
    /// It answers, later than anybody should wait.
    Slow,
    /// It answers at once, with an error.
    Errs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Before,
    Hang,
    Slow,
    Errs,
    Healed,
}

impl Phase {
    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::Before | Self::Healed => Fault::Healthy,
            Self::Hang => Fault::Hang,
            Self::Slow => Fault::Slow,
            Self::Errs => Fault::Errs,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Hang => "hangs",
            Self::Slow => "slow",
            Self::Errs => "errs",
            Self::Healed => "healed",
        }
    }
}

const PHASES: [Phase; 5] = [Phase::Before, Phase::Hang, Phase::Slow, Phase::Errs, Phase::Healed];

/// How long each phase lasts.
pub(crate) struct Scenario([Duration; PHASES.len()]);

impl Scenario {
    pub(crate) const FULL: Self = Self::of([5000, 18_000, 7000, 4000, 8000]);
    pub(crate) const QUICK: Self = Self::of([2000, 6300, 2500, 2000, 3500]);

    const fn of(millis: [u64; PHASES.len()]) -> Self {
        let [before, hang, slow, errs, healed] = millis;
        Self([
            Duration::from_millis(before),
            Duration::from_millis(hang),
            Duration::from_millis(slow),
            Duration::from_millis(errs),
            Duration::from_millis(healed),
        ])
    }

    pub(crate) fn phases(&self) -> impl Iterator<Item = (Phase, Duration)> {
        PHASES.into_iter().zip(self.0)
    }

    pub(crate) fn length(&self) -> Duration {
        self.0.iter().sum()
    }
}

/// When each phase really began: on a busy machine a timer may be late, and no figure should suffer from that.
pub(crate) struct Timeline {
    entered: Vec<(Phase, Instant)>,
    start: Instant,
    end: Instant,
}

impl Timeline {
    pub(crate) fn starting(start: Instant) -> Self {
        Self { entered: Vec::new(), start, end: start }
    }

    pub(crate) fn enter(&mut self, phase: Phase, now: Instant) {
        self.entered.push((phase, now));
    }

    pub(crate) fn end(&mut self, now: Instant) {
        self.end = now;
    }

    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    pub(crate) fn whole(&self) -> Stretch {
        self.start..self.end
    }

    /// Each phase that was entered, from its beginning to the next one's.
    pub(crate) fn phases(&self) -> impl Iterator<Item = (Phase, Stretch)> {
        let ends = self.entered.iter().skip(1).map(|(_, next)| *next).chain([self.end]);
        self.entered.iter().zip(ends).map(|((phase, from), until)| (*phase, *from..until))
    }

    pub(crate) fn phase(&self, wanted: Phase) -> Stretch {
        self.phases().find(|(phase, _)| *phase == wanted).map_or(self.end..self.end, |(_, stretch)| stretch)
    }

    /// From the first fault to the healing.
    pub(crate) fn outage(&self) -> Stretch {
        self.phase(Phase::Hang).start..self.phase(Phase::Healed).start
    }
}
