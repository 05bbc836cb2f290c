//! Whole stacks: the recommended layers in the recommended order, with nothing to set.
//!
//! Which layers a service needs, and which of them goes outside of which, is the same question everywhere, and most of
//! the answers are wrong in a way that shows only in an outage. So here is ours, in a line for each end of a call.
//!
//! ```text
//!   a server, outermost first              a client, outermost first
//!   -------------------------              -------------------------
//!   context   from headers, bounded        retry     failures, paid from a budget
//!   drain     no call is lost when it goes hedge     what takes unusually long, from the same
//!   shedding  over an adaptive limit       breaker   open when nothing comes back
//!   policy    yours, if there is one       throttle  as much less as is turned away
//!   timeout   the deadline of a request    limit     as many at a time as get done, if you say so
//!   your service                           policy    yours, if there is one
//!                                          timeout   of one attempt
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
//! **Each part** can be replaced by one of your own, or left out, and a policy of yours can be added. What a stack is made of, in
//! which order and with which numbers, is said by `explain()`.
//!
//! **Settings in text**, from a file or an admin endpoint, go by their path, such as `breaker.open_time`: before a stack is
//! built, and while it runs. They are checked as all others, and errors name the path. Many at once are a [`Config`], which with
//! the feature `serde` can be read from a file. A part alone is left out by `off`, as in `.set("hedge", "off")`. Only how far a server trusts its callers is set for good.
//!
//! **What a client's parts know** they tell each other by one [`Dependency`](crate::Dependency): while the breaker is not closed
//! there is no retry, and while anything is wrong there is no hedge. Both are paid from its one budget, and both send only what
//! [may be sent more than once](ClientBuilder::idempotent). Bodies are recorded once for both of them, while they are sent. What was
//! given up is not sent again by the stacks of those further up, if its answer is passed on: see [retries across
//! hops](crate::retry#across-hops).
//!
//! **A server that says "not now"** (429, 503, `RESOURCE_EXHAUSTED`, `UNAVAILABLE` with pushback) is no reason for the client's
//! breaker to open, as long as there is a throttle or a limit in the stack. Such a server works, and does as much as it can. A breaker that opened would take
//! all calls from it, find at each probe that it is still asked for too much by others, and never let the throttle learn how much
//! it takes. Errors, timeouts and silence open it as ever. A proxy that says 503 because there is nobody behind it is heeded by
//! the throttle: one call of twenty still finds out whether somebody is back. Where that is too many say
//! `.set("breaker.overloads", "yes")`, or leave the throttle out.
//!
//! **Rejections** are those of the parts, over HTTP as responses: see [`http`](crate::http). **Clones** of a stack, and all
//! services that it is put around, share all state: one dependency is one stack.
//!
//! # Answers that take long
//!
//! A call of a server lasts to the end of its body. So a large download holds a slot of the shedding all the while, and ends in an
//! error when its deadline passes: after 30 s, if the request names none. A reader who stops reading is not told, as nobody asks
//! for the next frame then: his connection is the server's to close.
//!
//! A **lasting** answer is one whose head says that it goes on for as long as its reader stays. Server-sent events are, by their
//! `content-type` of `text/event-stream` and a length that nobody knows. It keeps nobody busy, so
//!
//! | | to the head | to the end |
//! |---|---|---|
//! | the shedding, and any adaptive limit: slots, and what is measured | x | |
//! | a breaker and a throttle, in a client: whether it went well | x | |
//! | a deadline that the request has not named, such as those 30 s | x | |
//! | a deadline that it has named | | x |
//! | the drain, which waits for listeners, and ends them at its own deadline | | x |
//! | every other policy, such as a bulkhead that bounds how many listen | | x |
//!
//! What else lasts is said by whoever answers, by [a mark](crate::http::Lasting) on the response, or in the protocol, by
//! [`Http::lasting`](crate::Http::lasting).
//!
//! ```
//! use axum::{Router, body::Body, response::{Sse, sse::Event}, routing::get};
//! use cofferdam::{Bulkhead, Policy};
//! use http::Request;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stack = cofferdam::http::server("shop").build()?;
//! let listeners = Bulkhead::builder("events").limit(10_000).build()?; // Each has a connection and some memory.
//!
//! let events = get(|| async { Sse::new(futures_util::stream::pending::<Result<Event, String>>()) });
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "done" }))
//!     .route("/events", events.layer(listeners.clone().layer().http()))
//!     .layer(stack.clone());
//!
//! let listening = app.clone().oneshot(Request::get("/events").body(Body::empty())?).await?;
//! assert_eq!((stack.drain().unwrap().in_flight(), listeners.in_flight()), (1, 1));
//! assert_eq!(stack.shedding().unwrap().limit().in_flight(), 0);
//! # drop(listening); Ok(()) }
//! ```
//!
//! **A long poll** that keeps its head back until there is news is a call that takes long, as it cannot be told from one that
//! works: it holds a slot, and has to answer by its deadline. Send its head at once, marked, or leave its route out of the stack:
//! what is added to a router after `.layer(stack)` is not behind it.
//!
//! **The time of a client's attempt**, 2 s if nothing is set, is for the head of its answer, and its server is told so, in a header of
//! its own: see [on the wire](crate::hops#on-the-wire). What follows the head has the deadline that the client's request has named, or
//! the server's own for requests that name none. A handler that passes a stream on from another service, on behalf of a caller who
//! named no deadline, does not cut it either. (What is sent for longer than that before it is answered, as an upload or a stream of
//! requests may be, needs a longer [timeout](ClientBuilder::timeout), or none.)
//!
//! **Over gRPC** the head of a stream says no more than that of a call with one answer, so every call counts to its end, and the
//! deadline of a request that names none, 30 s, ends it. In a method that its callers watch, mark the response, and it lasts:
//! `response.extensions_mut().insert(cofferdam::http::Lasting)`. Where all of a server is like that, leave the deadline to those
//! who ask, by a [`Trust`](crate::context::Trust) without a default.
//!
//! **Downloads** that take their readers longer than 30 s need a mark as well, or a longer
//! [default](crate::context::Builder::default_deadline). Marked, they hold no slot: they are then bounded by a bulkhead, or
//! by nothing.
//!
//! # Around Reqwest
//!
//! Its client takes requests and gives responses of its own. A function in between makes the ones of the others.
//!
//! ```
//! use cofferdam::Replay;
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, service_fn};
//!
//! let (stack, client) = (cofferdam::http::client("search").build()?, reqwest::Client::new());
//! let search = ServiceBuilder::new().layer(stack).service(service_fn(move |request: Request<Replay<reqwest::Body>>| {
//!     let client = client.clone();
//!     async move { client.execute(request.map(reqwest::Body::wrap).try_into()?).await.map(Response::from) }
//! }));
//! # fn is_a_service<R>(_: impl tower::Service<R, Error = reqwest::Error>) {}
//! # is_a_service::<Request<reqwest::Body>>(search); Ok::<(), cofferdam::Invalid>(())
//! ```
//!
//! A body that is sent like this is a stream to Reqwest, which cannot take it along to another place: a redirect that asks for that,
//! such as a 307, or a 302 of a `PUT`, is not followed but is the answer. Requests without a body are redirected as ever.
//!
//! # Where strangers call
//!
//! By default a server believes what requests say of themselves, within bounds, as those of your own services should be. Where
//! anybody may call, believe nothing: the headers are then still taken out, so that nobody further in is told.
//!
//! ```
//! use std::time::Duration;
//! use cofferdam::{Criticality, context::Trust};
//!
//! let nobody = Trust::builder().deadlines(false).tasks(false).highest_criticality(Criticality::SheddablePlus);
//! let edge = cofferdam::http::server("edge").trust(nobody.default_deadline(Duration::from_secs(5)).build()?).build()?;
//! # let _ = edge; Ok::<(), cofferdam::Invalid>(())
//! ```
//!
//! # A server that goes
//!
//! ```
//! use axum::{Router, routing::get};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stack = cofferdam::http::server("checkout").set("drain.grace", "0s").build()?;
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "done" }))
//!     .layer(stack.clone())
//!     .route_service("/readyz", stack.readiness());
//!
//! // When the process is told to go, as in `axum::serve(..).with_graceful_shutdown(..)`:
//! let report = stack.drain().unwrap().begin().await;
//! assert_eq!(report.cut, 0);
//! # let _ = app; Ok(()) }
//! ```

mod client;
mod config;
mod explain;
mod part;
mod server;

pub use client::{Client, ClientBuilder, HedgeBuilder, RetryBuilder};
pub use config::Config;
pub use explain::{Explanation, Part};
pub use server::{Server, ServerBuilder};

use crate::http::{ByMethod, ContextHeaders, Http};
#[cfg(feature = "tonic")]
use crate::tonic::AsBody;
#[cfg(feature = "grpc")]
use crate::{
    grpc::{Grpc, Unsaid},
    http::replay::AsReplay,
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
    ClientBuilder::new(name.into(), ContextHeaders::default(), ByMethod, Http::new())
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

/// Starts the stack of a gRPC client of one dependency. Nothing is sent more than once unless
/// [`idempotent`](ClientBuilder::idempotent) says of which methods it may be. A Tonic `Channel` takes bodies of one type: in front
/// of one say `tonic::client`, with the feature `tonic`, or [`map_body`](ClientBuilder::map_body).
///
/// How long a call may take in all is said by its [`Deadline`](crate::Deadline):
/// `request.extensions_mut().set_deadline(Deadline::after(..))`. Tonic's own `Request::set_timeout` is a header that the `Channel`
/// reads, so it bounds each attempt and not all of them.
///
/// ```
/// use cofferdam::Replay;
/// use http::Request;
///
/// let stack = cofferdam::grpc::client("payments")
///     .idempotent(|request: &Request<tonic::body::Body>| request.uri().path() == "/Payments/Find")
///     .map_body(tonic::body::Body::new::<Replay<tonic::body::Body>>)
///     .build()?;
/// # let _ = stack; Ok::<(), cofferdam::Invalid>(())
/// ```
#[cfg(feature = "grpc")]
pub fn grpc_client(name: impl Into<String>) -> ClientBuilder<(), Unsaid, AsReplay, Grpc> {
    ClientBuilder::new(name.into(), ContextHeaders::grpc(), Unsaid, Grpc::new())
}

/// Starts the stack of a client of one dependency over a Tonic `Channel`: that of a [gRPC client](grpc_client), which gives the
/// channel the bodies that it takes.
///
/// ```
/// use http::Request;
/// use tonic::{body::Body, transport::Endpoint};
/// use tower::ServiceBuilder;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::BoxError> {
/// let stack = cofferdam::tonic::client("payments")
///     .idempotent(|request: &Request<Body>| request.uri().path() == "/Payments/Find")
///     .build()?;
///
/// let channel = Endpoint::from_static("http://payments:50051").connect_lazy();
/// let channel = ServiceBuilder::new().layer(stack.clone()).service(channel);
/// # fn is_a_channel(_: impl tonic::client::GrpcService<Body>) {}
/// # is_a_channel(channel); // `PaymentsClient::new(channel)`
/// # Ok(()) }
/// ```
#[cfg(feature = "tonic")]
pub fn tonic_client(name: impl Into<String>) -> ClientBuilder<(), Unsaid, AsBody, Grpc> {
    grpc_client(name).way_back(AsBody)
}
