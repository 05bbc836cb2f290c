//! Whole stacks: the recommended layers in the recommended order, with nothing to set.
//!
//! Which layers a service needs, and which of them goes outside of which, is the same question everywhere, and most of
//! the answers are wrong in a way that shows only in an outage. So here is ours, in a line for each end of a call.
//!
//! ```text
//!   a server, outermost first              a client, outermost first
//!   -------------------------              -------------------------
//!   context   from headers, bounded        retry     failures, paid from a budget
//!   shedding  over an adaptive limit       breaker   open when nothing comes back
//!   timeout   the deadline of a request    throttle  as much less as is turned away
//!   your service                           timeout   of one attempt
//!                                          context   into headers
//!                                          your connection
//! ```
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use http::{Request, StatusCode};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let checkout = cofferdam::http::server("checkout").build()?;
//! println!("{}", checkout.explain());
//!
//! let app: Router = Router::new().route("/", get(|| async { "done" })).layer(checkout);
//! assert_eq!(app.oneshot(Request::new(Body::empty())).await?.status(), StatusCode::OK);
//! # Ok(()) }
//! ```
//!
//! **Each part** can be replaced by one of your own, or left out with `None`, and a policy of yours can be added. What a
//! stack is made of, in which order and with which numbers, is said by `explain()`.
//!
//! **Settings in text**, from a file or an admin endpoint, go by their path, such as `breaker.open_time`: before a stack is
//! built, and those of policies while it runs. They are checked as all others, and errors name the path. Many at once are a
//! [`Config`], which with the feature `serde` can be read from a file.
//!
//! **Rejections** are those of the parts, over HTTP as responses: see [`http`](crate::http). **Clones** of a stack, and all
//! services that it is put around, share all state: one dependency is one stack.

mod client;
mod config;
mod explain;
mod part;
mod server;

pub use client::{Client, ClientBuilder};
pub use config::Config;
pub use explain::{Explanation, Part};
pub use server::{Server, ServerBuilder};

#[cfg(feature = "grpc")]
use crate::grpc::{Grpc, Unsaid};
use crate::{
    http::{ByMethod, ContextHeaders, Http},
    kernel::attempts::Cloned,
};

/// Starts the stack of an HTTP server.
///
/// ```
/// let stack = cofferdam::http::server("checkout").build()?;
/// # let _ = stack; Ok::<(), cofferdam::Invalid>(())
/// ```
pub fn http_server(name: impl Into<String>) -> ServerBuilder {
    ServerBuilder::new(name.into(), ContextHeaders::default(), Http::new())
}

/// Starts the stack of an HTTP client of one dependency.
///
/// ```
/// let stack = cofferdam::http::client("payments").build()?;
/// # let _ = stack; Ok::<(), cofferdam::Invalid>(())
/// ```
pub fn http_client(name: impl Into<String>) -> ClientBuilder {
    ClientBuilder::new(name.into(), ContextHeaders::default(), Cloned(ByMethod), Http::new())
}

/// Starts the stack of a gRPC server.
///
/// ```
/// let stack = cofferdam::grpc::server("checkout").build()?;
/// # let _ = stack; Ok::<(), cofferdam::Invalid>(())
/// ```
#[cfg(feature = "grpc")]
pub fn grpc_server(name: impl Into<String>) -> ServerBuilder<(), Grpc> {
    ServerBuilder::new(name.into(), ContextHeaders::grpc(), Grpc::new())
}

/// Starts the stack of a gRPC client of one dependency. Nothing is repeated unless
/// [`idempotent`](ClientBuilder::idempotent) says of which methods it may be.
///
/// ```
/// use http::Request;
///
/// let stack = cofferdam::grpc::client("payments")
///     .idempotent(|request: &Request<tonic::body::Body>| request.uri().path() == "/Payments/Find")
///     .build()?;
/// # let _ = stack; Ok::<(), cofferdam::Invalid>(())
/// ```
#[cfg(feature = "grpc")]
pub fn grpc_client(name: impl Into<String>) -> ClientBuilder<(), Cloned<Unsaid>, Grpc> {
    ClientBuilder::new(name.into(), ContextHeaders::grpc(), Cloned(Unsaid), Grpc::new())
}
