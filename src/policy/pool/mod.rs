//! Pool: the slots of a service, of which each of its dependencies has a share.
//!
//! A service can have so many requests in progress, and each of them waits for some dependency. One that becomes slow, and
//! neither fails nor stops, takes slot after slot, until there are none left for requests that have nothing to do with it. No
//! breaker sees that, as all calls go well; and a bulkhead for each dependency has to be set by hand, and is too small when
//! there is room, or too large when there is none.
//!
//! In a pool everything may be borrowed, but for what the others normally use and are not using at this moment, and that is
//! learned. Telecommunication networks call it trunk reservation.
//!
//! ```text
//!   64 slots   [ payments 12 ][ search 31 ........... ][ free 21 ...... ]
//!                                                       |<-- 8 -->|
//!   payments is guaranteed 20, and holds 12:             kept for it while search is sick
//!   search is guaranteed 9, and sick:                    may take the other 13
//! ```
//!
//! ```
//! use cofferdam::{Bulkhead, CircuitBreaker, Policy, Pool, guard};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! // What the service itself can do, and what its dependencies have of it.
//! let front = Bulkhead::builder("front").limit(64).queue(1_000).build()?;
//! let pool = Pool::builder("front").slots_of(front.usage()).build()?;
//!
//! let search = ServiceBuilder::new()
//!     .layer(guard(pool.share("search")?.and(CircuitBreaker::builder("search").build()?)))
//!     .service(service_fn(|words: &'static str| async move { Ok::<_, BoxError>(words.len()) }));
//! let service = ServiceBuilder::new()
//!     .layer(front.layer())
//!     .service(service_fn(move |words| search.clone().oneshot(words)));
//!
//! assert_eq!(service.oneshot("rope and tar").await?, 12);
//! # Ok(()) }
//! ```
//!
//! # The rule
//!
//! What a dependency needs is what it uses while it is well: the mean of how many slots its calls find it to hold, over
//! some 128 calls. It is guaranteed that, what is usual above it (its square root), and one more. A call is rejected only
//! if all of this holds:
//!
//! 1. Its dependency would hold more than its part of the pool, divided in proportion to the guarantees.
//! 2. It would take one of the slots that others are guaranteed and not using.
//! 3. Its dependency is sick: nearly all of its answers (98 %) take three times as long as usual, or it owes an answer and has been
//!    silent for longer than answers take. Or requests wait for slots for more than half of the time that they can, and it is
//!    the one that is furthest above its guarantee.
//!
//! So a pool with room in it rejects nothing, nor does one that is busy while all is well. A dependency that becomes slower has all
//! slots that the others do not need, whatever that is, and never what they do. There is nothing to set for a dependency. What is usual
//! is learned from its answers, falls with them at once and doubles in a minute at most; it does not rise at all within 10 s of a
//! rejection. Times are read to a tick of the system's clock (1 to 10 ms), and nobody is sick who answers within 10 ms.
//!
//! **When it rejects**, it does so at once and with [`Why::Reserved`](crate::Why::Reserved), a 503 over HTTP, and says to come
//! again after as long as an answer takes. The request that this was done for is then most likely answered at once too,
//! and gives its slot back.
//!
//! **Clones** of a pool, and of a share, share their state; asked twice for the share of one name, a pool returns the same one. A share whose last
//! handle is gone, with its last call, makes room for another. [`Keyed`](crate::Keyed) over a share gives each key a
//! share of its own, for as long as there are any.
//!
//! **In a stack** it stands outside the breaker, and outside the retry if there is one: from the first attempt to the last a
//! request holds its slot, and so does the share. The calls that a breaker rejects teach nothing, so the guarantee of a dependency that is down is
//! there when it comes back. The service's own limit, whose slots these are, is further out, in front of the whole service; the pool learns
//! from it how many slots there are, how many are taken, and whether requests wait for long.
//!
//! **Weights.** Where the limit in front counts what requests weigh, [`Share::weighted`] does as well. A stream whose head has come
//! holds its slot to its end, and owes no answer meanwhile.
//!
//! # What it does not do
//!
//! - It knows nothing of a dependency before its first twenty answers.
//! - If all dependencies are sick, nothing is kept for any. That is what the limit in front is for.
//! - A dependency that becomes less than three times as slow is not sick. If that fills the pool, it is found by how long requests
//!   wait, once they wait for half of their time; some are lost meanwhile. Without a limit with a line in front, it is not found.
//! - The limit in front is best a fixed one. An [`AdaptiveLimit`](crate::AdaptiveLimit) takes the time at a slow dependency for its own overload.
//! - A request that waits for two dependencies at a time counts for both.
//! - Threads that take slots in the same moment do not see each other: together they may take a few too many.

mod config;
mod operate;
mod policy;
mod seat;
mod share;
mod state;

pub use config::Builder;
pub use policy::Pool;
pub use share::{Share, State, Taken};
