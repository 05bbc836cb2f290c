//! Timeout: no call lasts longer than it is worth.
//!
//! A call that hangs holds everything that its caller holds. A timeout lets go after a while, and cancels what it gave
//! up on. A deadline does the same for the request as a whole: it is a point in time, so it shrinks while the request
//! travels, and no part of the way waits for an answer that comes too late.
//!
//! ```text
//!    attempt:   |------ readiness + call ------|x
//!    deadline:  |-- earlier hops --|---- call and body ----|x
//!    frames:                       head |--|  |-|   |------|x      (HTTP)
//! ```
//!
//! ```
//! use std::time::Duration;
//! use cofferdam::{Rejected, Timeout, Why};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new()
//!     .layer(Timeout::builder("payments").attempt(Duration::from_millis(20)).build()?)
//!     .service(service_fn(|()| std::future::pending::<Result<(), BoxError>>()));
//!
//! let error = service.oneshot(()).await.unwrap_err();
//! assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::TimedOut);
//! # Ok(()) }
//! ```
//!
//! **When time is up** the inner future is dropped in the same instant, and the answer is a rejection:
//! [`Why::TimedOut`](crate::Why::TimedOut), [`Why::DeadlineExceeded`](crate::Why::DeadlineExceeded), or
//! [`Why::Expired`](crate::Why::Expired) for a call that was not made, as its deadline had passed. The first two are
//! failures to every guard further out. An answer that is there in the same instant wins. Over HTTP a rejection is a 504.
//!
//! **What the dependency is told** of an attempt's own limit is a deadline [to the head](crate::Deadline::to_head) of its answer.
//!
//! **An assumed deadline**, one that the request has [not named](crate::Deadline::assumed), bounds a lasting answer, such as
//! server-sent events, to its head only: see `Http::lasting`.
//!
//! **Waiting for readiness counts.** If the inner service is not ready in time, the layer says that it is, and the next
//! call is rejected without touching it.
//!
//! **Clones** share nothing but the settings, which can be changed while they run: see [`TimeoutLayer`].
//!
//! **In a stack** it stands innermost: inside guards, so that they see the failure, and inside retry, so that it bounds
//! an attempt. It registers a timer only when a call is not ready at once, and only then needs a tokio runtime.

mod call;
mod config;
mod future;
mod live;
mod operate;
mod pace;
mod service;

pub use call::OwnErrors;
pub use config::{Builder, TimeoutLayer};
pub use future::TimeoutFuture;
#[cfg(feature = "http")]
pub(crate) use live::{NEVER, duration};
pub use pace::Pace;
pub use service::{Timeout, TimeoutProtocol};

pub use crate::kernel::context::{CarriedDeadline, DeadlineSource, NoDeadline};
