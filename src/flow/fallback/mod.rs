//! Fallback: an answer that is good enough, when the real one cannot be had.
//!
//! An empty list of recommendations is a page; an error is none. A fallback looks at what became of a call, and answers
//! in its place with a value, with what a function makes of it, or with what another service says.
//!
//! ```text
//!   request ---> service ---> answer ------------------------------> answer
//!                   |
//!                   '--x rejected, timed out, failed, overloaded,
//!                        never ready ---> fallback ----------------> answer, marked
//! ```
//!
//! ```
//! use cofferdam::{Cause, Fallback};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new()
//!     .layer(Fallback::value(Vec::<u32>::new()).on([Cause::Failure, Cause::Rejected]))
//!     .service(service_fn(|_user: u32| async { Err::<Vec<u32>, BoxError>("down".into()) }));
//!
//! assert_eq!(service.oneshot(7).await?, Vec::<u32>::new());
//! # Ok(()) }
//! ```
//!
//! **It rejects nothing** and hides nothing from those who watch: guards further in have seen the failure, and over HTTP
//! the answer carries [`Degraded`](crate::Degraded), by which guards further out see it too. Plain responses have no
//! place for a mark; put one into the value. If the fallback itself fails, that is the answer.
//!
//! **Nothing of the request is kept** unless a function says what: see [`Fallback::keeping`]. A call that is dropped has
//! no fallback.
//!
//! **Clones** share nothing but the answer, as far as that is shared.
//!
//! **In a stack** it stands outermost.
//!
//! # Closures, `BoxError` and spawned calls
//!
//! The compiler cannot spawn a call through a type that holds a closure with `BoxError` among its parameters (tower's own
//! `map_err` has the same trouble). A function that holds for any lifetime can be spawned:
//!
//! ```
//! use std::error::Error;
//! use cofferdam::{Failed, Fallback};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! type Boxed<'a> = Box<dyn Error + Send + Sync + 'a>;
//!
//! fn nothing(_: Failed<u32, Boxed<'_>>) -> Result<u32, Boxed<'_>> {
//!     Ok(0)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new()
//!     .layer(Fallback::function(nothing))
//!     .service(service_fn(|user: u32| async move { Err::<u32, BoxError>(format!("who is {user}?").into()) }));
//!
//! assert_eq!(tokio::spawn(async move { service.oneshot(7).await }).await??, 0);
//! # Ok(()) }
//! ```
//!
//! Over HTTP this does not arise: the error of an Axum `Router` or a Hyper client is a type of its own.

mod answer;
mod config;
mod future;
mod service;

pub use answer::{Answer, Backup, Function, Keeping, NoService, Value, When};
pub use config::{Cause, Failed, FallbackLayer, FallbackProtocol, Plan};
pub use future::FallbackFuture;
pub use service::Fallback;
