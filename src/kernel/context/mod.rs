//! What travels with a request: how long its answer is of use, how much it matters, which try it is, and whose it is.
//!
//! Whoever is overloaded has to say no to somebody. It says no well if it knows what the request is worth to those far
//! up the call tree who asked for it; and it only knows what the request brings along.
//!
//! ```text
//!            outside        |  a service                     |  its dependencies
//!   headers, metadata  ---> |  Trust reads, bounds, clamps   |
//!                           |  request: Deadline             |
//!                           |           Criticality          |
//!                           |           Attempt, TaskKey     |
//!                           |  outgoing.on_behalf_of(&request) --->  the same deadline, less the time it took
//! ```
//!
//! ```
//! use std::time::Duration;
//! use cofferdam::{Context, Criticality, TaskKey, context::Trust};
//! # #[cfg(feature = "http")] {
//! let trust = Trust::builder().longest_deadline(Duration::from_secs(30)).build()?;
//!
//! // What a request says of itself, in headers or otherwise, is text from outside.
//! let mut request = http::Request::new(());
//! if let Some(deadline) = trust.deadline("250m") {
//!     request.set_deadline(deadline);
//! }
//! if let Some(criticality) = trust.criticality("CRITICAL_PLUS") {
//!     request.set_criticality(criticality); // Critical: more is not believed.
//! }
//! request.set_task(TaskKey::of("order 4711"));
//!
//! // What is asked of others meanwhile is of no more use than the request itself, and matters no more.
//! let mut outgoing = http::Request::new(());
//! outgoing.on_behalf_of(&request);
//! assert_eq!(outgoing.deadline(), request.deadline());
//! assert_eq!(outgoing.criticality(), Some(Criticality::Critical));
//! assert_eq!(outgoing.task(), request.task());
//! # }
//! # Ok::<(), cofferdam::Invalid>(())
//! ```
//!
//! [`Carried`] is what is left of a request for those who have to pass it on later. What reads and writes headers is in
//! `http::hops`.
//!
//! **Nothing here rejects.** What is unreadable is as good as not said; what is too much is clamped. Patterns that look at
//! a context reject by themselves: [`Timeout`](crate::Timeout) a request whose deadline has passed.
//!
//! **Everything is a small value** that is copied with the request. Nothing is shared.

mod attempt;
mod carried;
mod criticality;
mod deadline;
mod rank;
mod source;
mod task;
mod timeout_text;
pub(crate) mod trust;

pub use attempt::Attempt;
pub use carried::Carried;
pub use criticality::Criticality;
pub use deadline::Deadline;
pub use rank::{CarriedRank, Rank, RankSource};
pub(crate) use source::Bounds;
pub use source::{AttemptSource, CarriedDeadline, DeadlineSource, NoDeadline};
pub use task::TaskKey;
pub use timeout_text::TimeoutText;
#[cfg(feature = "http")]
pub(crate) use timeout_text::{read as read_timeout, read_millis, write_number};
#[cfg(feature = "http")]
pub(crate) use trust::LONGEST_TEXT;
pub use trust::{Builder, Trust};

/// Requests that carry a context from hop to hop.
///
/// With the feature `http`, `http::Request` does, in its extensions: each value under its own type. A request type of
/// your own needs a field for each that it wants to carry, and at least for the deadline:
///
/// ```
/// use cofferdam::{Attempt, Context, Criticality, Deadline};
///
/// struct Query {
///     text: String,
///     deadline: Option<Deadline>,
///     criticality: Option<Criticality>,
/// }
///
/// impl Context for Query {
///     fn deadline(&self) -> Option<Deadline> {
///         self.deadline
///     }
///     fn set_deadline(&mut self, deadline: Deadline) {
///         self.deadline = Some(deadline);
///     }
///     fn criticality(&self) -> Option<Criticality> {
///         self.criticality
///     }
///     fn set_criticality(&mut self, criticality: Criticality) {
///         self.criticality = Some(criticality);
///     }
/// }
///
/// let mut query = Query { text: "name = 'x'".into(), deadline: None, criticality: None };
/// query.set_criticality(Criticality::Sheddable);
/// assert_eq!(query.criticality(), Some(Criticality::Sheddable));
///
/// // There is no field for the number of the attempt, so it goes no further.
/// query.set_attempt(Attempt::FIRST.next());
/// assert_eq!(query.attempt(), Attempt::FIRST);
/// ```
pub trait Context {
    /// The deadline that came with the request, if any: by then the answer has to begin. Unless it is
    /// [to the head](Deadline::to_head) only, all of the answer has to be there.
    fn deadline(&self) -> Option<Deadline>;

    /// Sends the request on with this deadline. One that is [to the head](Deadline::to_head) leaves that of the whole answer as it is.
    fn set_deadline(&mut self, deadline: Deadline);

    /// The deadline of the whole answer, if any.
    ///
    /// Unless overridden: the same, if that is not to the head only. A type with one field for both forgets that of the whole once
    /// the other is set.
    fn whole_deadline(&self) -> Option<Deadline> {
        self.deadline().filter(|deadline| !deadline.is_to_head())
    }

    /// How much the request matters, if that was said; whoever needs an answer takes [`Criticality::default`].
    ///
    /// Unless overridden, together with [`set_criticality`](Self::set_criticality): never said.
    fn criticality(&self) -> Option<Criticality> {
        None
    }

    /// Sends the request on with this criticality. It travels no further unless overridden.
    fn set_criticality(&mut self, criticality: Criticality) {
        let _ = criticality;
    }

    /// Which try this is; the original unless something else was said.
    ///
    /// Unless overridden, together with [`set_attempt`](Self::set_attempt): always the original.
    fn attempt(&self) -> Attempt {
        Attempt::FIRST
    }

    /// Sends the request on as that try. It travels no further unless overridden.
    fn set_attempt(&mut self, attempt: Attempt) {
        let _ = attempt;
    }

    /// The task that the request is part of, if that was said.
    ///
    /// Unless overridden, together with [`set_task`](Self::set_task): never said.
    fn task(&self) -> Option<TaskKey> {
        None
    }

    /// Sends the request on as part of this task. It travels no further unless overridden.
    fn set_task(&mut self, task: TaskKey) {
        let _ = task;
    }

    /// Whether somebody asks only how the service is: such a request is not shed, as a service that does not answer it is
    /// taken out of service or restarted.
    ///
    /// An `http::Request` is one if its path is `/health`, `/healthz`, `/livez`, `/readyz`, `/startupz`, or one of gRPC's
    /// health service. Unless overridden: never.
    fn is_health_check(&self) -> bool {
        false
    }

    /// Takes over what holds for everything that is done for `caller`, whose request led to this one.
    ///
    /// The earlier deadline holds. The request matters as much as it says itself, but never more than its caller, and
    /// as much as its caller if it says nothing. Its task is its caller's. Its attempt stays its own: what the caller
    /// tries a second time may be asked of others for the first.
    ///
    /// An HTTP request remembers it: what is set afterwards is not read as more than the caller's either.
    fn on_behalf_of<C: Context + ?Sized>(&mut self, caller: &C)
    where
        Self: Sized,
    {
        take_over(self, caller);
    }
}

/// Gives `own` what holds for everything that is done for `caller`.
pub(crate) fn take_over(own: &mut impl Context, caller: &(impl Context + ?Sized)) {
    hold_to_deadline(own, caller);
    match (own.criticality(), caller.criticality()) {
        (None, None) => {}
        (None, Some(callers)) => own.set_criticality(callers),
        (Some(class), callers) => own.set_criticality(class.min(callers.unwrap_or_default())),
    }
    if let Some(task) = caller.task() {
        own.set_task(task);
    }
}

/// Sees to it that `own` has no later deadline than `other`, for the head and for the whole.
pub(crate) fn hold_to_deadline(own: &mut impl Context, other: &(impl Context + ?Sized)) {
    let Some(theirs) = other.deadline() else { return };
    let heads = own.deadline().into_iter().chain([theirs]).filter(|deadline| deadline.is_to_head());
    let head = heads.min();
    let wholes = own.whole_deadline().into_iter().chain(other.whole_deadline());
    if let Some(whole) = wholes.reduce(Deadline::earlier) {
        own.set_deadline(whole);
    }
    if let Some(head) = head {
        own.set_deadline(head);
    }
}

/// The two deadlines of a request, of which one that is set leaves the other as it is if it is [to the head](Deadline::to_head):
/// the earlier, and that of the whole.
pub(crate) fn with_deadline(whole: Option<Deadline>, set: Deadline) -> (Deadline, Option<Deadline>) {
    match whole {
        _ if !set.is_to_head() => (set, Some(set)),
        Some(whole) if whole <= set => (whole, Some(whole)),
        whole => (set, whole),
    }
}
