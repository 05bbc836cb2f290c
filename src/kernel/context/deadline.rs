use std::time::Duration;

use super::TimeoutText;
use crate::kernel::{Instant, clock};

/// The point in time by which an answer is of use to whoever asked.
///
/// A deadline is absolute, so it shrinks by itself as the request travels, and the earlier of two holds. Clocks of two
/// machines differ, so what travels between them is the time that is left: see [`TimeoutText`].
///
/// ```
/// use std::time::Duration;
/// use cofferdam::Deadline;
///
/// let patient = Deadline::after(Duration::from_secs(60));
/// let hasty = Deadline::after(Duration::from_secs(1));
/// assert_eq!(patient.earlier(hasty), hasty);
/// assert!(hasty.remaining() <= Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

/// A tick of the clock is nothing beside that. To read it exactly costs a few times as much.
const FAR: Duration = Duration::from_secs(1);

impl Deadline {
    /// A deadline at that moment.
    #[must_use]
    pub fn at(moment: Instant) -> Self {
        Self(moment)
    }

    /// A deadline that long from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(clock::now().after(duration))
    }

    /// The same, or a tick of the clock earlier where that is nothing.
    pub(crate) fn about(duration: Duration) -> Self {
        if duration >= FAR { Self(clock::coarse().after(duration)) } else { Self::after(duration) }
    }

    /// The moment it stands for.
    #[must_use]
    pub fn moment(self) -> Instant {
        self.0
    }

    /// What is left of it; zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.since(clock::now())
    }

    /// Whether nothing is left of it.
    #[inline]
    pub(crate) fn has_passed(self) -> bool {
        // Most are so far away that a look at the last tick will do, however late that was.
        self.0 <= clock::coarse().after(FAR) && self.0 <= clock::now()
    }

    /// What is left of it to a tick, if a tick is nothing beside that.
    #[inline]
    pub(crate) fn remaining_if_far(self) -> Option<Duration> {
        let left = self.0.since(clock::coarse());
        (left >= FAR).then_some(left)
    }

    /// What is left of it, as it is told to another service.
    #[must_use]
    pub fn to_timeout(self) -> TimeoutText {
        TimeoutText::new(self.remaining())
    }

    /// The earlier of the two.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        self.min(other)
    }
}
