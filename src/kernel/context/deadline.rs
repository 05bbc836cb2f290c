use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    num::NonZeroU64,
    time::Duration,
};

use super::TimeoutText;
use crate::kernel::{Instant, clock};

/// The point in time by which an answer is of use to whoever asked.
///
/// A deadline is absolute, so it shrinks by itself as the request travels, and the earlier of two holds. Clocks of two
/// machines differ, so what travels between them is the time that is left: see [`TimeoutText`].
///
/// Two of the same moment are equal, whether or not one of them is [assumed](Self::assumed), or is [to the head](Self::to_head).
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
#[derive(Clone, Copy)]
pub struct Deadline(
    /// The moment in nanoseconds, [`ASSUMED`] and [`TO_HEAD`], all bits turned over, so that one that may be missing takes no more
    /// room: a deadline travels with every request.
    NonZeroU64,
);

const ASSUMED: u64 = 1 << 63;
const TO_HEAD: u64 = 1 << 62;

/// What is not the moment.
const MARKS: u64 = ASSUMED | TO_HEAD;

/// One nanosecond below what there are bits for, so that not all of them can be set.
const LATEST: u64 = !MARKS - 1;

/// A tick of the clock is nothing beside that. To read it exactly costs a few times as much.
const FAR: Duration = Duration::from_secs(1);

impl Deadline {
    /// A deadline at that moment, or 146 years after the clock began if that is earlier.
    #[must_use]
    pub fn at(moment: Instant) -> Self {
        Self::of_word(moment.as_nanos().min(LATEST))
    }

    #[inline]
    fn of_word(word: u64) -> Self {
        Self(NonZeroU64::new(!word).unwrap_or(NonZeroU64::MIN))
    }

    #[inline]
    fn word(self) -> u64 {
        !self.0.get()
    }

    /// A deadline that long from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self::at(clock::now().after(duration))
    }

    /// The same moment, as a deadline that nobody has named, such as that of [`Trust`](super::Trust) for requests without one.
    ///
    /// It bounds a call as any other does, with one exception: once the head of a lasting answer is there, such as that of
    /// server-sent events, its body is not ended by it. Whoever named no deadline has not said that they will stop listening.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cofferdam::Deadline;
    ///
    /// let deadline = Deadline::after(Duration::from_secs(30));
    /// assert!(deadline.assumed().is_assumed() && !deadline.is_assumed());
    /// ```
    #[must_use]
    pub fn assumed(self) -> Self {
        Self::of_word(self.word() | ASSUMED)
    }

    /// Whether nobody has named it: see [`assumed`](Self::assumed).
    #[must_use]
    pub fn is_assumed(self) -> bool {
        self.word() & ASSUMED != 0
    }

    /// The same moment, by which the head of an answer has to be there, and no more: such as the limit of an attempt. What follows the
    /// head is bounded by the deadline that the request had [before](super::Context::whole_deadline), if any.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cofferdam::Deadline;
    ///
    /// let deadline = Deadline::after(Duration::from_secs(2));
    /// assert!(deadline.to_head().is_to_head() && !deadline.is_to_head());
    /// ```
    #[must_use]
    pub fn to_head(self) -> Self {
        Self::of_word(self.word() | TO_HEAD)
    }

    /// Whether it bounds no more than the head of an answer: see [`to_head`](Self::to_head).
    #[inline]
    #[must_use]
    pub fn is_to_head(self) -> bool {
        self.word() & TO_HEAD != 0
    }

    /// The same, or a tick of the clock earlier where that is nothing.
    pub(crate) fn about(duration: Duration) -> Self {
        if duration >= FAR { Self::at(clock::coarse().after(duration)) } else { Self::after(duration) }
    }

    /// The moment it stands for.
    #[must_use]
    pub fn moment(self) -> Instant {
        Instant::from_nanos(self.word() & !MARKS)
    }

    /// What is left of it; zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.moment().since(clock::now())
    }

    /// Whether nothing is left of it.
    #[inline]
    pub(crate) fn has_passed(self) -> bool {
        // Most are so far away that a look at the last tick will do, however late that was.
        self.moment() <= clock::coarse().after(FAR) && self.moment() <= clock::now()
    }

    /// What is left of it to a tick, if a tick is nothing beside that.
    #[inline]
    pub(crate) fn remaining_if_far(self) -> Option<Duration> {
        let left = self.moment().since(clock::coarse());
        (left >= FAR).then_some(left)
    }

    /// What is left of it, as it is told to another service.
    #[must_use]
    pub fn to_timeout(self) -> TimeoutText {
        TimeoutText::new(self.remaining())
    }

    /// The earlier of the two. Of the same moment, it is assumed, or to the head, only if both are.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        if self == other { Self::of_word(self.word() & other.word()) } else { self.min(other) }
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (self.is_to_head(), self.is_assumed()) {
            (true, _) => "Deadline(to head)",
            (false, true) => "Deadline(assumed)",
            (false, false) => "Deadline",
        };
        f.debug_tuple(name).field(&self.moment()).finish()
    }
}

impl PartialEq for Deadline {
    fn eq(&self, other: &Self) -> bool {
        self.moment() == other.moment()
    }
}

impl Eq for Deadline {}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> Ordering {
        self.moment().cmp(&other.moment())
    }
}

impl Hash for Deadline {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.moment().hash(state);
    }
}
