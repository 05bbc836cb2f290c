//! gRPC: a call is what its status says, wherever that is, and rejections are statuses.
//!
//! `.grpc()` on a layer chooses this protocol. Over HTTP a gRPC call is nearly always a 200: what became of it is in
//! `grpc-status`, and that comes last. So the answer is followed to its end, and a stream holds its slot until then.
//!
//! ```text
//!   head with grpc-status ----------------------- at once: as the status says
//!   head without --> messages --> trailers -------------- : as the status in them says
//!                             --> end without trailers -- : unknown, a failure
//!                             --> breaks off ------------ : failure
//!                             --> dropped --------------- : abandoned
//!   head that is no 200 and has no grpc-status --- at once: unknown, a failure
//! ```
//!
//! What each status means is a table: see [`ByCode`]; change it with [`Grpc::classify`]. A bad answer with
//! `grpc-retry-pushback-ms` asks to be left alone for that long. A negative number asks not to be tried again, and names no
//! time: it is read as none. A retry of ours says so by itself when it gives up, see [across hops](crate::retry#across-hops).
//!
//! ```
//! use bytes::Bytes;
//! use cofferdam::{CircuitBreaker, Policy, grpc::{Code, trailers_only}};
//! use http::Request;
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let breaker = CircuitBreaker::builder("payments").consecutive_failures(1).build()?;
//! let payments = ServiceBuilder::new()
//!     .layer(breaker.clone().layer().grpc())
//!     .service(service_fn(|_: Request<()>| async {
//!         Ok::<_, std::convert::Infallible>(trailers_only(Code::Internal, "out of order", None).map(Full::new))
//!     }));
//!
//! let first = payments.clone().oneshot(Request::default()).await?;
//! assert_eq!(first.headers()["grpc-status"], "13");
//!
//! let second = payments.oneshot(Request::default()).await?;
//! assert_eq!(second.headers()["grpc-status"], "14");
//! assert_eq!(second.headers()["grpc-message"], "the circuit is open");
//! assert_eq!(cofferdam::rejection(&second).unwrap().by().as_str(), "payments");
//! # Ok(()) }
//! ```
//!
//! With Tonic it stands around a whole server, `Server::builder().layer(guard.grpc())`, around one service of it, or
//! around a client's `Channel`, `ServiceBuilder::new().layer(guard.grpc()).service(channel)`. Nothing here depends on
//! Tonic: anything that answers with HTTP responses will do. What needs Tonic's own types, as a retry in front of a `Channel` does
//! for its bodies, and a handler for a rejection as a `Status`, comes with the feature `tonic`: see the module of that name.
//!
//! **A stream that is watched** for hours cannot be told by its head from a call with one answer, so it holds a slot of an adaptive
//! limit to its end, and the 30 s of a [server]'s stack end it if its caller names no deadline. A method that is meant
//! for that marks its response as [`Lasting`](crate::http::Lasting): a limit is then given its slot back with the head, and only a
//! deadline that the caller has named ends it. Drains, bulkheads and all others follow it to its end.
//!
//! ```
//! use cofferdam::http::Lasting;
//! use tonic::Response;
//!
//! let changes = futures_util::stream::pending::<Result<String, tonic::Status>>();
//! let mut response = Response::new(changes);
//! response.extensions_mut().insert(Lasting);
//! ```
//!
//! Whoever asks for such a stream must not name a deadline either. The limit of an attempt is not told as `grpc-timeout`, which
//! bounds a call to its end wherever it arrives, but beside it, as a time [to the head](crate::hops#on-the-wire).
//!
//! What is not of your own is marked from outside. Those who `Watch` gRPC's health service take the end of it for the end of the
//! server:
//!
//! ```
//! use cofferdam::http::Lasting;
//! use tonic::{body::Body, service::LayerExt};
//! use tower::util::MapResponseLayer;
//!
//! # #[derive(Clone)] struct Health;
//! # impl tonic::server::NamedService for Health { const NAME: &'static str = "grpc.health.v1.Health"; }
//! # impl tower::Service<http::Request<Body>> for Health {
//! #     type Response = http::Response<Body>;
//! #     type Error = std::convert::Infallible;
//! #     type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
//! #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> { Ok(()).into() }
//! #     fn call(&mut self, _: http::Request<Body>) -> Self::Future { std::future::ready(Ok(Default::default())) }
//! # }
//! # let health = Health;
//! // let (reporter, health) = tonic_health::server::health_reporter();
//! let lasts = MapResponseLayer::new(|mut response: http::Response<Body>| {
//!     response.extensions_mut().insert(Lasting);
//!     response
//! });
//! # let stack = cofferdam::grpc::server("checkout").build()?;
//! let server = tonic::transport::Server::builder().layer(stack).add_service(lasts.named_layer(health));
//! # let _ = server; Ok::<(), cofferdam::Invalid>(())
//! ```
//!
//! When a [drain](crate::drain) begins, tell that service that nobody is served any more: it is let in to the end, and does not know.
//!
//! **A rejection** is by default a response without a body: HTTP 200, `grpc-status` 14 `UNAVAILABLE`, or 4
//! `DEADLINE_EXCEEDED` if time was up, a message that names no dependency, and `grpc-retry-pushback-ms` where that is
//! known, or where there is no room: then it says "not now" to the other end, see [`TrailersOnly`].
//! [`Rejected`](crate::Rejected) is in its extensions. The wording is a value that you can change: see [`Grpc::wording`].
//!
//! **A timeout** that fires after the answer has begun ends it with trailers that say `DEADLINE_EXCEEDED`.
//!
//! **What a call is worth** travels in its metadata, with the time that is left in `grpc-timeout`: see
//! [`ContextHeaders::grpc`](crate::ContextHeaders::grpc).
//!
//! **Clones** of a guarded service share the policy, as everywhere. **In a stack** it stands where any guard stands, and
//! further in than what translates gRPC-Web, which moves the status into the body, where it is not looked for.

mod attempts;
mod code;
mod flow;
mod hops;
mod protocol;
mod status;
mod wording;

pub use attempts::Unsaid;
pub use code::Code;
pub use protocol::{ByCode, ByTrailers, ClassifyStatus, Grpc};
#[cfg(feature = "tonic")]
pub(crate) use wording::trailers as rejection_trailers;
pub use wording::{TrailersOnly, trailers_only};

/// The front door: whole stacks stand above this module, and are found in it.
pub use crate::presets::{grpc_client as client, grpc_server as server};
