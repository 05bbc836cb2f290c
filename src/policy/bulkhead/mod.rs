//! Bulkhead: at most so many calls at a time.
//!
//! A dependency that hangs takes every thread, connection and slot that waits for it, and then the whole service is
//! down. With a bulkhead it takes the slots it was given, and the rest of the service goes on.
//!
//! ```text
//!            limit 3
//!   ----->  [ call ]  ----->
//!   ----->  [ call ]  ----->  dependency
//!   ----->  [ call ]  ----->
//!   --x     full: rejected at once
//! ```
//!
//! ```
//! use cofferdam::{Bulkhead, Policy, Rejected, Why};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let slots = Bulkhead::builder("payments").limit(1).build()?;
//! let service = ServiceBuilder::new()
//!     .layer(slots.clone().layer())
//!     .service(service_fn(|()| std::future::pending::<Result<(), BoxError>>()));
//!
//! let mut hangs = Box::pin(service.clone().oneshot(()));
//! assert!(futures_util::poll!(&mut hangs).is_pending());
//! assert_eq!(slots.in_flight(), 1);
//!
//! let error = service.oneshot(()).await.unwrap_err();
//! let rejected = Rejected::find(error.as_ref()).unwrap();
//! assert_eq!((rejected.by().as_str(), rejected.why()), ("payments", Why::Full));
//!
//! drop(hangs);
//! assert_eq!(slots.in_flight(), 0);
//! # Ok(()) }
//! ```
//!
//! **When it rejects**, it does so at once and with [`Why::Full`](crate::Why::Full): nothing waits, unless it has a queue.
//!
//! # With a queue
//!
//! [`Builder::queue`] lets some calls wait for a slot, so that a burst is not an error. The line is bounded in number and
//! in time, and the type says that there is one: `Bulkhead<Queue>`.
//!
//! ```
//! use std::time::Duration;
//! use cofferdam::{Bulkhead, Policy};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let slots = Bulkhead::builder("reports").limit(1).queue(10).max_wait(Duration::from_millis(500)).build()?;
//! let service = ServiceBuilder::new()
//!     .layer(slots.clone().layer())
//!     .service(service_fn(|page: u32| async move {
//!         tokio::task::yield_now().await;
//!         Ok::<_, BoxError>(page)
//!     }));
//!
//! let burst = [1, 2, 3].map(|page| service.clone().oneshot(page));
//! let pages = futures_util::future::try_join_all(burst).await?;
//! assert_eq!(pages, [1, 2, 3]);
//! # Ok(()) }
//! ```
//!
//! - A call that waits holds nothing but its place. At its turn the whole group of policies judges it anew, so a breaker that
//!   has opened meanwhile rejects it, and the turn goes to the next.
//! - Nobody overtakes: while somebody waits, newcomers line up too. First come, first served; but once the line has not been
//!   empty for 100 ms, the one who came last goes first, as those who came first are likely to have given up, and one who
//!   comes to a full line takes the place of the one who has waited longest. See [`Order`](crate::waiting::Order).
//! - Who waits is rejected with [`Why::Waited`](crate::Why::Waited) after [`max_wait`](Builder::max_wait), with
//!   [`Why::Displaced`](crate::Why::Displaced) when its place goes to another, and newcomers to a full line with
//!   [`Why::Full`](crate::Why::Full). Over HTTP all three are a 503.
//! - The service behind must be `Clone`: the instance that was made ready stays where it is, and whoever waited makes its own
//!   clone ready. The wait needs a tokio runtime, for its timer.
//!
//! **Clones** of a bulkhead, of its layer and of the services made from it share the slots. Another set of slots is
//! another bulkhead.
//!
//! **In a stack** it stands next to the breaker and outside the timeout: a call holds its slot until the timeout ends
//! it. Over HTTP a slot is held to the end of the body.

mod config;
mod operate;
mod policy;

pub use config::Builder;
pub use policy::Bulkhead;

pub use crate::kernel::waiting::{Line, LineFor, NoQueue, Queued};
use crate::kernel::{context::NoDeadline, sync::Arc, waiting};

/// A line: whoever finds no slot waits for one. See [`Builder::queue`].
pub type Queue<D = NoDeadline> = waiting::Queue<Arc<waiting::Slots>, D>;
