//! Request bodies that can be sent again.
//!
//! A body that comes in as a stream is gone when it has been sent, so a request cannot be repeated. To read it all before it
//! is sent would hold the first attempt back, which nearly always is the only one, and hold as much memory as anybody cares
//! to upload. So it is sent as it comes in, and what was sent is kept, up to a limit.
//!
//! ```text
//!   body ---> attempt 1 reads: a b c d            and asks the body for more
//!              tape keeps:     a b c d            up to 64 KiB
//!              attempt 2 reads: a b . .           first what is kept, then it asks, too
//!
//!   more than that: the attempt that is ahead reads on, nothing is kept, and there is no further attempt
//! ```
//!
//! Retries use it by themselves: `.http()` and `.grpc()` choose [`Replayed`]. A service that takes bodies of any type, as an
//! Axum `Router` is, takes a [`Replay`] too; for others [`map_body`](crate::retry::Builder::map_body) makes what they take, and `.tonic()`, with
//! the feature `tonic`, what a Tonic `Channel` does.
//!
//! ```
//! use axum::{Router, body::Bytes, routing::put};
//! use cofferdam::Retry;
//! use http::{Request, StatusCode};
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::BoxError> {
//! static CALLS: AtomicU32 = AtomicU32::new(0);
//! let fails_at_first = |body: Bytes| async move {
//!     assert_eq!(body, "250"); // All of it, at each attempt.
//!     if CALLS.fetch_add(1, Ordering::Relaxed) == 0 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
//! };
//! let layer = Retry::builder("payments").http().body_limit(16 * 1024).build()?;
//! let app: Router = Router::new().route("/charges/7", put(fails_at_first)).layer(layer);
//!
//! let response = app.oneshot(Request::put("/charges/7").body(axum::body::Body::from("250"))?).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! assert_eq!(CALLS.load(Ordering::Relaxed), 2);
//! # Ok(()) }
//! ```
//!
//! **Each attempt** is sent the same bytes and the same trailers, or is not made: [`Tape::again`] gives none when something of
//! the body is gone. If it goes while the attempt is under way, its body ends in [`ReplayError::Lost`], never early.
//!
//! **Several at once**, as a hedge sends them, read at their own pace. The limit is for what is kept; where nobody will begin
//! any more, that is what the slowest has still to read. Past it whoever is ahead reads on, and the others end in an error.
//!
//! **An error of the body** goes to the attempt that was reading, once, as it cannot be cloned. No other is made after that.
//!
//! **It rejects nothing**, shares nothing between calls, and spawns nothing. A body need be neither `Clone` nor `Sync` nor
//! `Unpin`, and need not be `'static` for its own sake. Its data becomes `Bytes`: without a copy if that is what it was.
//!
//! **Memory**: an empty body, or a request that is not sent again, costs none. Otherwise the tape does, and what is kept of the
//! body. Frames below 16 KiB are copied, so that one of a byte does not hold on to the buffer that it was read into; larger
//! ones are shared. When a retry has its answer the tape is dropped, and what is left of an upload passes through untouched.

mod body;
mod error;
mod reel;
mod replayed;
mod shared;
mod tape;
mod taped;

pub use body::Replay;
pub use error::{Lost, ReplayError};
pub use replayed::{AsReplay, Kept, MapBody, Replayed, WayBack};
pub use tape::Tape;
pub use taped::Taped;
