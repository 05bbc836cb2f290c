//! Circuit breaker: stop calling what does not work, and find out gently when it works again.
//!
//! A dependency that is down costs every caller its whole timeout, and every call keeps it down. A breaker watches how
//! calls end. When too many of them fail it opens: callers are answered at once, and the dependency is left alone but
//! for a few probes.
//!
//! ```text
//!             too many bad calls                     open time over
//!   closed ----------------------> open -----------------------------> half-open
//!     ^                             ^                                   |      |
//!     |                             '--------- probes fail -------------'      |
//!     '---------------------- probes succeed; load comes back by degrees ------'
//! ```
//!
//! ```
//! use cofferdam::{BreakerState, CircuitBreaker, Policy, Rejected};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let breaker = CircuitBreaker::builder("payments").consecutive_failures(3).build()?;
//! let service = ServiceBuilder::new()
//!     .layer(breaker.clone().layer())
//!     .service(service_fn(|()| async { Err::<(), BoxError>("down".into()) }));
//!
//! for _ in 0..3 {
//!     assert_eq!(service.clone().oneshot(()).await.unwrap_err().to_string(), "down");
//! }
//! assert_eq!(breaker.state(), BreakerState::Open);
//!
//! let error = service.oneshot(()).await.unwrap_err();
//! assert!(Rejected::find(error.as_ref()).unwrap().retry_after().is_some());
//! # Ok(()) }
//! ```
//!
//! **When it rejects**, it says [`Why::Open`](crate::Why::Open), [`Why::Probing`](crate::Why::Probing) or
//! [`Why::Ramping`](crate::Why::Ramping), and when another try may be let through. While it is open the service behind
//! is not even asked whether it is ready.
//!
//! **Clones** of a breaker, of its layer and of the services made from it share the state. Another dependency is another
//! breaker.
//!
//! **In a stack** it stands outside the timeout, whose verdict it counts as a failure, and inside retry and fallback. It
//! also works inside a timeout: a call that is cancelled after the slow-call threshold counts as slow.
//!
//! # When nothing answers
//!
//! A dependency that hangs opens it long before the first timeout: more than five calls came, none was answered, and that
//! for longer than [`stall`](Builder::stall) allows. Time in which nobody calls is not quiet time.
//!
//! # When some calls fail
//!
//! A dependency that fails half of its calls at once, and answers the others, is left to do so: these answers are better than
//! none, and failures that come at once hold nobody. It opens when nearly nothing works, or when half of the calls hold their
//! callers for nothing: those that are slow, and those that fail late. For another measure see
//! [`failure_ratio`](Builder::failure_ratio).
//!
//! # What it counts
//!
//! Failures, overloads and slow calls over a sliding window, of time or of calls. Overloads are no failures if
//! [that is said](Builder::overloads), as it is where a throttle or a limit heeds them. A call that ends is part of the very
//! decision it leads to. Calls that the caller gave up on early, and rejections of our own further in, count neither
//! way. An end that belongs to an earlier state is recognised by its generation and ignored: what was called while
//! closed decides nothing about half-open.

mod config;
mod control;
mod gate;
mod live;
mod operate;
mod policy;
mod stall;
mod state;

pub use crate::kernel::window::Counts;
pub use config::Builder;
pub use gate::Token;
pub use policy::CircuitBreaker;
pub use state::State;
