//! Tonic: what is the same over gRPC with any library, with Tonic's own types.
//!
//! ```
//! use http::Request;
//! use tonic::{body::Body, transport::{Endpoint, Server}};
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::BoxError> {
//! // A client of one dependency, around a `Channel`: `PaymentsClient::new(channel)`.
//! let stack = cofferdam::tonic::client("payments")
//!     .idempotent(|request: &Request<Body>| request.uri().path() == "/Payments/Find")
//!     .build()?;
//! let channel = ServiceBuilder::new()
//!     .layer(stack)
//!     .service(Endpoint::from_static("http://payments:50051").connect_lazy());
//!
//! // A server.
//! let server = Server::builder().layer(cofferdam::tonic::server("checkout").build()?);
//! # let _ = (channel, server); Ok(()) }
//! ```
//!
//! **Which layer says what**: guards, timeouts and fallbacks pass requests on as they are, so they say `.grpc()`, around a server and
//! around a `Channel` alike. A retry and a hedge send requests again, with bodies that are recorded on their way, and a `Channel`
//! takes none but Tonic's: they say `.tonic()`, which is `.grpc()` and the way back to those.
//!
//! ```
//! use cofferdam::{CircuitBreaker, Policy, Retry};
//! use http::Request;
//! use tonic::{body::Body, transport::Endpoint};
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::BoxError> {
//! let is_read = |request: &Request<Body>| request.uri().path() == "/Payments/Find";
//! let channel = ServiceBuilder::new()
//!     .layer(Retry::builder("payments").tonic().idempotent(is_read).build()?)
//!     .layer(CircuitBreaker::builder("payments").build()?.layer().grpc())
//!     .service(Endpoint::from_static("http://payments:50051").connect_lazy());
//! # fn is_a_channel(_: impl tonic::client::GrpcService<Body>) {}
//! # is_a_channel(channel); Ok(()) }
//! ```
//!
//! # In a handler
//!
//! What it asks of others it may guard by [`Guard::call`](crate::Guard::call). A [`Rejected`](crate::Rejected) becomes a `Status`, and so does a
//! [`Refused`](crate::Refused), so `?` will do:
//!
//! ```
//! use cofferdam::{Bulkhead, Guard, Policy, Rejected, Why};
//! use tonic::{Code, Request, Response, Status};
//!
//! struct Reports {
//!     database: Guard<Bulkhead>,
//! }
//!
//! impl Reports {
//!     async fn latest(&self, request: Request<()>) -> Result<Response<String>, Status> {
//!         let report = self.database.call(&request, || async { Ok::<_, Status>("all is well".to_owned()) }).await?;
//!         Ok(Response::new(report))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::BoxError> {
//! let slots = Bulkhead::builder("database").limit(1).build()?;
//! let reports = Reports { database: slots.clone().layer() };
//! assert_eq!(reports.latest(Request::new(())).await?.into_inner(), "all is well");
//!
//! let others = reports.database.call(&(), std::future::pending::<Result<(), Status>>);
//! let status = reports.latest(Request::new(())).await.unwrap_err();
//! assert_eq!((status.code(), status.message()), (Code::Unavailable, "no slot is free"));
//! assert_eq!(Rejected::find(&status).unwrap().why(), Why::Full);
//! # drop(others); Ok(()) }
//! ```
//!
//! To that guard every `Err` is a failure, `NOT_FOUND` as well. To a breaker say what a status means, as layers over gRPC know it:
//!
//! ```
//! use cofferdam::{CircuitBreaker, Outcome, Policy, grpc::{ByCode, ClassifyStatus, Code}};
//! use tonic::{Response, Status};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::BoxError> {
//! let breaker = CircuitBreaker::builder("payments").build()?;
//! let payments = breaker.clone().layer().classify(|answer: Result<&Response<String>, &Status>| match answer {
//!     Ok(_) => Outcome::Success,
//!     Err(status) => ByCode.classify(Code::from(status.code() as u8), status.metadata().as_ref()),
//! });
//!
//! let status: Status = payments.call(&(), || async { Err(Status::not_found("no such payment")) }).await.unwrap_err().into();
//! assert_eq!((status.message(), breaker.counts().failures), ("no such payment", 0));
//! # Ok(()) }
//! ```
//!
//! A rejection is worded as by a layer: see [`TrailersOnly`](crate::grpc::TrailersOnly). The rejection itself is its source, so
//! [`Rejected::find`](crate::Rejected::find) tells it from a status of the dependency; it does not travel, as no source does.
//!
//! **A `Status` [carries](crate::Carries) a rejection**, so a service whose error it is needs no `.grpc()`. Where callers of a channel have to
//! tell rejections of our own from what the dependency says, they are made errors:
//! `.layer(guard.protocol(Grpc::new().errors()))` over a channel with `.map_err(|error| Status::from_error(error.into()))`.

mod attempts;
mod status;

pub use attempts::AsBody;

/// The front door: whole stacks stand above this module, and are found in it.
pub use crate::presets::{grpc_server as server, tonic_client as client};
