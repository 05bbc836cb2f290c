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
//! **When it rejects**, it does so at once and with [`Why::Full`](crate::Why::Full): nothing waits.
//!
//! **Clones** of a bulkhead, of its layer and of the services made from it share the slots. Another set of slots is
//! another bulkhead.
//!
//! **In a stack** it stands next to the breaker and outside the timeout: a call holds its slot until the timeout ends
//! it. Over HTTP a slot is held to the end of the body.

mod config;
mod policy;
mod queue;
mod state;

pub use config::{Builder, Queued};
pub use policy::{Bulkhead, Weighted};
pub use queue::{Line, LineFor, NoQueue, Queue};
