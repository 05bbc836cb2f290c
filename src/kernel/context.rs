//! What travels with a request.

use std::time::Duration;

use super::{Instant, clock};

/// The point in time by which an answer is of use to whoever asked.
///
/// A deadline is absolute, so it shrinks by itself as the request travels, and the earlier of two holds.
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

    /// The earlier of the two.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        self.min(other)
    }
}

/// Requests that carry a context from hop to hop.
///
/// With the feature `http`, `http::Request` does, in its extensions. A request type of your own needs a field:
///
/// ```
/// use cofferdam::{Context, Deadline};
///
/// struct Query {
///     text: String,
///     deadline: Option<Deadline>,
/// }
///
/// impl Context for Query {
///     fn deadline(&self) -> Option<Deadline> {
///         self.deadline
///     }
///     fn set_deadline(&mut self, deadline: Deadline) {
///         self.deadline = Some(deadline);
///     }
/// }
/// ```
pub trait Context {
    /// The deadline that came with the request, if any.
    fn deadline(&self) -> Option<Deadline>;

    /// Sends the request on with this deadline.
    fn set_deadline(&mut self, deadline: Deadline);
}
