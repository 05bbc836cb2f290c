//! What follows an attempt.

use std::{fmt, time::Duration};

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// Its answer is the call's: it is good, or nothing that another attempt would mend.
    Answered,
    /// Another attempt, unless things change in that time.
    After(Duration),
    /// Nothing, though another attempt might have mended it: its answer is the call's.
    GivenUp(GivenUp),
}

/// Why no further attempt was made of a call that one might have mended.
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
    /// The service had no room for it at once.
    NotReady,
    /// What was kept of the request is not enough to send it again.
    Unrepeatable,
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
            Self::NotReady => "the service had no room for another attempt",
            Self::Unrepeatable => "the request cannot be sent again",
        }
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
