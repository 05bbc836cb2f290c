//! What follows an attempt.

use std::{fmt, time::Duration};

use crate::kernel::{budget::NoExtra, dependency::Fact};

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// Its answer is the call's: it is good, or nothing that another attempt would mend.
    Answered,
    /// Another attempt, unless things change in that time.
    After(Duration),
    /// Another attempt, at this moment.
    AtOnce,
    /// Others of the same call are still in flight: one of them may have the answer.
    Others,
    /// Nothing: another attempt has answered, and this one was dropped.
    Superseded,
    /// Nothing, though another attempt might have mended it: its answer is the call's.
    GivenUp(GivenUp),
}

/// Why an attempt was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Made {
    /// It is the original.
    First,
    /// The one before it had failed.
    AfterFailure,
    /// Those before it took longer than usual.
    AfterDelay,
}

impl Made {
    /// The reason in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "it is the original",
            Self::AfterFailure => "the one before it had failed",
            Self::AfterDelay => "those before it took long",
        }
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why no further attempt was made, of a call that one might have mended or that took long.
///
/// ```
/// use cofferdam::GivenUp;
///
/// assert_eq!(GivenUp::Empty.to_string(), "the budget is used up");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GivenUp {
    /// All attempts have been made, or passed over while too many calls failed.
    Attempts,
    /// The budget is used up.
    Empty,
    /// As many extra attempts are in flight as the budget allows.
    Full,
    /// There is not enough time for another.
    Time,
    /// The dependency asks to be left alone for longer than anybody waits.
    LeftAlone,
    /// The service had no room for it at once, or failed to become ready.
    NotReady,
    /// The request must not be sent again, as it may do harm twice or is an extra attempt of somebody else; or what was kept of
    /// it is not enough to send it again.
    Unrepeatable,
    /// The breaker is known not to be closed.
    Open,
    /// The dependency is known to have more to do than it gets done.
    Pressed,
    /// The dependency is known not to answer.
    Stalled,
    /// The last 3 calls have failed.
    Failing,
    /// More calls are in flight than there were of late.
    Crowded,
    /// Calls take far longer than usual, all of them.
    Slow,
    /// Too few calls were seen to know what is usual.
    Learning,
    /// An operator has switched extra attempts off.
    Off,
    /// The caller has left: nobody waits for an answer any more.
    Left,
}

impl GivenUp {
    /// The reason in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "all attempts have been made",
            Self::Empty => "the budget is used up",
            Self::Full => "too many extra attempts are in flight",
            Self::Time => "there is no time for another attempt",
            Self::LeftAlone => "the dependency asks to be left alone for too long",
            Self::NotReady => "the service was not ready for another attempt",
            Self::Unrepeatable => "the request cannot be sent again",
            Self::Open => "the circuit is not closed",
            Self::Pressed => "the dependency is under pressure",
            Self::Stalled => "the dependency does not answer",
            Self::Failing => "the last calls have failed",
            Self::Crowded => "more calls are in flight than of late",
            Self::Slow => "calls take far longer than usual",
            Self::Learning => "what is usual is not known yet",
            Self::Off => "extra attempts are switched off",
            Self::Left => "the caller has left",
        }
    }
}

impl From<NoExtra> for GivenUp {
    fn from(none: NoExtra) -> Self {
        match none {
            NoExtra::Failing => Self::Failing,
            NoExtra::Empty => Self::Empty,
            NoExtra::Full => Self::Full,
        }
    }
}

impl From<Fact> for GivenUp {
    fn from(fact: Fact) -> Self {
        match fact {
            Fact::Open => Self::Open,
            Fact::Pressed => Self::Pressed,
            Fact::Stalled => Self::Stalled,
        }
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
