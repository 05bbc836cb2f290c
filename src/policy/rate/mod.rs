//! Rate limit: at most so many calls per time.
//!
//! A dependency that sells you 100 calls a second answers the 101st with an error, or not at all, or stops answering the
//! others too. With a rate limit the 101st is never sent; and in front of a service of your own, no caller takes more than
//! it was given.
//!
//! ```text
//!                 100 permits come per second
//!                              |
//!                              v
//!                       [ ooooo     ]  burst 10: no more than that are kept
//!                              |
//!   call --- takes one --------'------------->  dependency
//!   call --x none left: rejected, with the time to the next
//! ```
//!
//! ```
//! use std::time::Duration;
//! use cofferdam::{Policy, Rate, RateLimit, Rejected, Why};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let limit = RateLimit::builder("search", Rate::per_minute(60)?).burst(2).build()?;
//! let service = ServiceBuilder::new()
//!     .layer(limit.clone().layer())
//!     .service(service_fn(|query: &'static str| async move { Ok::<_, BoxError>(query.len()) }));
//!
//! assert_eq!(service.clone().oneshot("ships").await?, 5);
//! assert_eq!(service.clone().oneshot("dams").await?, 4);
//!
//! let error = service.oneshot("bulkheads").await.unwrap_err();
//! let rejected = Rejected::find(error.as_ref()).unwrap();
//! assert_eq!((rejected.by().as_str(), rejected.why()), ("search", Why::RateLimited));
//! assert!(rejected.retry_after().unwrap() <= Duration::from_secs(1));
//! # Ok(()) }
//! ```
//!
//! **How it counts**: permits come one by one and evenly, and as many as the burst are kept (the generic cell rate algorithm,
//! as [`governor`](https://docs.rs/governor) has it, which is a token bucket told in times). So in any time `t`, wherever it
//! begins, no more calls come in than `burst + rate * t`, and there is no edge of a window at which twice as many do. The
//! rate is kept on the clock that policies are told, which goes by ticks of the system: `t` is exact to some milliseconds.
//!
//! **When it rejects**, it does so at once, with [`Why::RateLimited`](crate::Why::RateLimited) and the time after which it
//! would have let the call through; and with [`Why::TooMuch`](crate::Why::TooMuch) and no such time what asks for more than
//! the burst, as it never would. Over HTTP both are a 429, the first with `Retry-After`. What is rejected costs no permits:
//! trying again does not put the end off. A call that was let in here and that another policy of the group rejected is given
//! its permits back. One that was made keeps them, however it ended, by a cancellation too: the dependency has heard of it.
//!
//! # With a queue
//!
//! [`Builder::queue`] lets some calls wait for their permits. The line is that of a
//! [bulkhead](crate::bulkhead#with-a-queue): bounded in number and in time, nobody overtakes, and who has waited is judged by the whole
//! group anew. A full line rejects with [`Why::RateLimited`](crate::Why::RateLimited); who has waited in vain, with
//! [`Why::Waited`](crate::Why::Waited). The next in line keeps a timer, and all others sleep. Timers are exact to a
//! millisecond or two, so leave a fast rate a burst of what comes in that time.
//!
//! ```
//! use cofferdam::{Policy, Rate, RateLimit};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let limit = RateLimit::builder("mail", Rate::per_second(100)?).burst(1).queue(10).build()?;
//! let service = ServiceBuilder::new()
//!     .layer(limit.layer())
//!     .service(service_fn(|page: u32| async move { Ok::<_, BoxError>(page) }));
//!
//! let calls = [1, 2, 3].map(|page| service.clone().oneshot(page));
//! assert_eq!(futures_util::future::try_join_all(calls).await?, [1, 2, 3]);
//! # Ok(()) }
//! ```
//!
//! # With a warm-up
//!
//! [`Builder::warm_up`] is for what must fill its caches and open its connections first. Cold, the limit lets through a third
//! of its rate and of its burst (see [`cold_factor`](Builder::cold_factor)), and under full load it climbs evenly to all of it:
//!
//! ```text
//!   rate |            .----------      rate * (1/3 + 2/3 * warmth / warm_up)
//!        |        .--'
//!    1/3 |.---'                        warmth: the time for which permits were in use,
//!        +------------+--------->      less the time for which none was
//!                  warm_up
//! ```
//!
//! A load that needs less than a third of the rate leaves it cold, and sees nothing of it. The formula is that of
//! Guava's `SmoothWarmingUp`, but that the rate climbs evenly rather than the interval falls evenly.
//!
//! **Clones** of a rate limit, of its layer and of the services made from it share the permits. A limit per tenant is
//! [`Keyed`](crate::Keyed): a tenant's limit is forgotten only once all its permits are back, so nobody gets a new burst by
//! making others be forgotten. What the key is you say; of what strangers send, take nothing on trust.
//!
//! **In a stack** it stands inside a retry and next to the breaker, before what holds slots. Several processes each have
//! their own: give each its share.

mod config;
mod operate;
mod policy;
mod quota;
mod regime;
mod state;
mod value;

pub use config::Builder;
pub use policy::RateLimit;
pub use state::Permits;
pub use value::Rate;

pub use crate::kernel::waiting::{Line, LineFor, NoQueue, Queued};
use crate::kernel::{context::NoDeadline, sync::Arc, waiting};

/// A line: whoever finds no permits waits for them. See [`Builder::queue`].
pub type Queue<D = NoDeadline> = waiting::Queue<Arc<state::State>, D>;
