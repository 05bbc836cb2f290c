//! What happened, told to whoever listens.

mod attempt;
mod bell;
mod chain;
mod observers;

use std::time::Duration;

pub use attempt::{GivenUp, Made, Next};
pub use bell::{Bell, Listening};
pub(crate) use chain::Chain;
pub use observers::{Observer, Subscription, observe, observer_panics};

use super::{Ended, Instant, Name, Outcome, Rejected, clock};

/// Something that happened in a policy or to a call.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use cofferdam::{CircuitBreaker, Event, What, observe};
///
/// let breaker = CircuitBreaker::builder("payments-of-this-example").build()?;
/// let heard = Arc::new(Mutex::new(Vec::new()));
/// let writes = heard.clone();
/// let subscription = observe(move |event: &Event| {
///     if let What::StateChanged { from, to, .. } = event.what && event.by.as_str() == "payments-of-this-example" {
///         writes.lock().unwrap().push(format!("{from} to {to}"));
///     }
/// });
///
/// breaker.force_open();
/// breaker.reset();
/// drop(subscription);
/// breaker.force_open();
/// assert_eq!(*heard.lock().unwrap(), ["closed to forced-open", "forced-open to closed"]);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[doc(alias("metrics", "listener"))]
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The policy or flow it happened in; for a call, the first of its group that has a name.
    pub by: Name,
    /// When it was told.
    pub at: Instant,
    /// What it was.
    pub what: What,
}

/// What happened: the whole vocabulary.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// A call was rejected, or its time was up.
    Rejected(Rejected),
    /// An admitted call ended. Told once per call and group of policies.
    Ended {
        /// How it ended.
        outcome: Outcome,
        /// How long it took, to the head of a streamed answer; zero in a group that never looks at the time.
        latency: Duration,
    },
    /// An attempt of a call ended, where calls are made several times. Told once per attempt that was made, unless the caller
    /// left, or the attempt is the first of a retry and nobody listened when it began: then nobody knows when that was.
    Attempt {
        /// Which attempt it was, from 1 on.
        number: u32,
        /// Why it was made.
        made: Made,
        /// How it ended.
        outcome: Outcome,
        /// How long it took.
        latency: Duration,
        /// What follows.
        next: Next,
    },
    /// An attempt was to be followed by another, and was not. Of a retry it is told after the wait: if too many calls were
    /// [failing](GivenUp::Failing), that attempt was passed over, and the next one may be made; if it is anything else, the call has
    /// the last answer, or the error of a service that could not be made ready. Of a hedge, the call goes on without it, and it is
    /// told each time that one was due.
    GivenUp {
        /// How many attempts were made, or passed over while too many calls failed.
        number: u32,
        /// Why there was no further one.
        why: GivenUp,
    },
    /// A policy has changed its state. The changes of one policy are told in order: each begins where the one before ended.
    StateChanged {
        /// Which policy of that name: a number that no other one in this process has.
        policy: u64,
        /// The state it was in, in a word.
        from: &'static str,
        /// The state it is in.
        to: &'static str,
    },
    /// A policy has changed its limit: slots, or the permits per day of a rate limit. The changes of one policy are told in
    /// order.
    LimitChanged {
        /// Which policy of that name.
        policy: u64,
        /// What the limit was.
        from: u64,
        /// What it is.
        to: u64,
    },
    /// An observer panicked over an event of that name. The others were told all the same.
    ObserverPanicked,
}

/// Whether anybody listens: all that an event costs which nobody hears.
#[inline]
pub(crate) fn anybody() -> bool {
    observers::anybody()
}

/// Tells of a rejection. Unheard, it costs a load.
#[inline]
pub(crate) fn rejected(rejected: Rejected) {
    if anybody() {
        tell(rejected.by(), What::Rejected(rejected));
    }
}

/// Tells of the end of a call, in a group with a name.
pub(crate) fn ended(by: Option<Name>, ended: &Ended) {
    if let Some(by) = by {
        tell(by, What::Ended { outcome: ended.outcome, latency: ended.latency() });
    }
}

/// Tells of a call of which no further attempt was made after all. Unheard, it costs a load.
pub(crate) fn given_up(by: Name, number: u32, why: GivenUp) {
    if anybody() {
        tell(by, What::GivenUp { number, why });
    }
}

/// An attempt that has ended, for whoever wants to know of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempted {
    pub(crate) number: u32,
    pub(crate) made: Made,
    pub(crate) outcome: Outcome,
    pub(crate) started: Instant,
    pub(crate) now: Instant,
}

/// Tells of the end of an attempt. Unheard, it costs a load.
#[inline]
pub(crate) fn attempted(by: Name, attempt: Attempted, next: Next) {
    if anybody() {
        let Attempted { number, made, outcome, started, now } = attempt;
        tell(by, What::Attempt { number, made, outcome, latency: now.since(started), next });
    }
}

#[cold]
#[inline(never)]
fn tell(by: Name, what: What) {
    observers::dispatch(&Event { by, at: clock::now(), what });
}
