//! The course of a drain: pure, told the time, and told what the gate says.

use std::{fmt, time::Duration};

use super::gate::Phase;
use crate::kernel::Instant;

/// What a drain is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum State {
    /// Calls come in, and readiness says so.
    Ready,
    /// Readiness says no, and calls still come in, until those who send them have seen it.
    Leaving,
    /// Nothing new comes in, and calls in flight come to their end.
    Draining,
    /// They have, or the deadline has passed.
    Drained,
}

impl State {
    /// The state in a word.
    ///
    /// ```
    /// assert_eq!(cofferdam::drain::State::Leaving.as_str(), "leaving");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Leaving => "leaving",
            Self::Draining => "draining",
            Self::Drained => "drained",
        }
    }

    /// What the gate says.
    pub(super) fn of((phase, inside): (Phase, u64)) -> Self {
        match phase {
            Phase::Open => Self::Ready,
            Phase::Leaving => Self::Leaving,
            Phase::Closed if inside > 0 => Self::Draining,
            Phase::Closed | Phase::Cut => Self::Drained,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a drain went. The calls of the grace period are in it as far as they were in flight when it was over.
///
/// ```
/// use cofferdam::Drain;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::Invalid> {
/// let drain = Drain::builder("checkout").grace(Duration::ZERO).build()?;
/// let report = drain.begin().await;
/// assert_eq!((report.ended, report.cut), (0, 0));
/// assert_eq!(report.to_string(), "calls ended: 0, cut: 0");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Drained {
    /// How many calls were in flight when nothing new was let in any more, and came to their end.
    pub ended: u64,
    /// How many were still in flight at the deadline. They were ended then, as far as they can be: see the
    /// [module](super#the-deadline).
    pub cut: u64,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "calls ended: {}, cut: {}", self.ended, self.cut)
    }
}

/// How long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) grace: Duration,
    pub(super) deadline: Duration,
}

/// What is to be done at a moment, in the drain of that number: one that has been undone meanwhile is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Close(u64),
    Cut(u64),
}

/// What there is to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// That somebody begins.
    Begin,
    /// A moment, or a change before it.
    At(Instant, Step),
    /// Nothing: it is over.
    Over(Drained),
}

/// What calls do not read.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) settings: Settings,
    /// How many drains have begun.
    number: u64,
    /// When nothing new is let in any more.
    closes: Instant,
    /// When the rest is cut.
    cuts: Instant,
    /// How many were in flight when it closed.
    left: u64,
    /// How many of them were cut.
    cut: u64,
    /// The last state that observers were told of.
    pub(super) told: State,
}

impl Course {
    pub(super) fn new(settings: Settings) -> Self {
        let never = Instant::NEVER;
        Self { settings, number: 0, closes: never, cuts: never, left: 0, cut: 0, told: State::Ready }
    }

    /// A drain begins. Returns when it closes.
    pub(super) fn begin(&mut self, now: Instant) -> Instant {
        self.number += 1;
        self.closes = now.after(self.settings.grace);
        self.cuts = self.closes.after(self.settings.deadline);
        (self.left, self.cut) = (0, 0);
        self.closes
    }

    /// Whether that is the drain which is under way.
    pub(super) fn is_current(&self, number: u64) -> bool {
        self.number == number
    }

    pub(super) fn is_to_close(&self, now: Instant) -> bool {
        now >= self.closes
    }

    /// It has closed, with so many inside.
    pub(super) fn closed(&mut self, inside: u64) {
        self.left = inside;
    }

    /// So many were cut.
    pub(super) fn cut(&mut self, inside: u64) {
        self.cut = inside;
    }

    pub(super) fn next(&self, gate: (Phase, u64)) -> Next {
        let number = self.number;
        match gate {
            (Phase::Open, _) => Next::Begin,
            (Phase::Leaving, _) => Next::At(self.closes, Step::Close(number)),
            (Phase::Closed, inside) if inside > 0 => Next::At(self.cuts, Step::Cut(number)),
            (Phase::Closed | Phase::Cut, _) => Next::Over(Drained { ended: self.left - self.cut, cut: self.cut }),
        }
    }
}
