//! Hops: what a request is worth goes with it from service to service, in headers, and is never worth more on the way.
//!
//! An overloaded service far down a call tree can only shed what matters least, and stop working on what nobody waits for
//! any more, if it is told. It is told by its caller, in headers: how much the request matters, how much time is left for
//! it, which task it is part of, and whether it was tried before. Whoever is in between has to pass that on, less the time that has passed, and nobody
//! may make it more.
//!
//! ```text
//!               a service                                        its dependency
//!   headers --> Inbound --> handler --> Timeout --> Outbound --> headers --> Inbound --> ...
//!               takes them  outgoing    shortens    writes them
//!               bounds by   .on_behalf_of           never above
//!               its Trust   (&request)              the caller's
//! ```
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use cofferdam::{Context, ContextHeaders, Criticality, context::{Carried, Trust}};
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cofferdam::BoxError> {
//! let headers = ContextHeaders::default();
//! let trust = Trust::builder().longest_deadline(Duration::from_secs(10)).build()?;
//!
//! // What a dependency is told.
//! let stock = ServiceBuilder::new()
//!     .layer(headers.outbound())
//!     .service(service_fn(|request: Request<()>| async move {
//!         assert_eq!(request.headers()["x-request-criticality"], "CRITICAL");
//!         let left: u64 = request.headers()["x-request-timeout-ms"].to_str().unwrap().parse().unwrap();
//!         assert!(left <= 10_000);
//!         Ok::<_, Infallible>(Response::new(()))
//!     }));
//!
//! // A service, which asks it for something on behalf of whoever has asked the service.
//! let shop = ServiceBuilder::new().layer(headers.inbound(trust)).service(service_fn(move |request: Request<()>| {
//!     let caller = Carried::of(&request);
//!     let mut outgoing = Request::new(());
//!     outgoing.on_behalf_of(&caller);
//!     outgoing.set_criticality(Criticality::CriticalPlus); // It may try.
//!     stock.clone().oneshot(outgoing)
//! }));
//!
//! let request = Request::get("/")
//!     .header("x-request-criticality", "CRITICAL_PLUS") // Not from outside.
//!     .header("x-request-timeout-ms", "86400000") // A day? Ten seconds.
//!     .body(())?;
//! shop.oneshot(request).await?;
//! # Ok(()) }
//! ```
//!
//! # On the wire
//!
//! | header | by default | over gRPC | text |
//! |---|---|---|---|
//! | [`criticality`](Builder::criticality) | `x-request-criticality` | the same | `CRITICAL_PLUS`, `CRITICAL`, `SHEDDABLE_PLUS`, `SHEDDABLE` |
//! | [`timeout_ms`](Builder::timeout_ms) | `x-request-timeout-ms` | | what is left, in whole milliseconds: one to nineteen digits |
//! | [`timeout`](Builder::timeout) | | `grpc-timeout` | what is left: one to eight digits and one of `H`, `M`, `S`, `m`, `u`, `n` |
//! | [`head_timeout_ms`](Builder::head_timeout_ms) | `x-request-head-timeout-ms` | the same | what is left until the head has to be there, in the same form |
//! | [`task`](Builder::task) | `x-request-task` | the same | read: a name; written: its [key](crate::TaskKey), sixteen hexadecimal digits |
//! | [`attempt`](Builder::attempt) | `x-request-attempt` | | which attempt it is, from 1 on: one to nineteen digits; a first one is not numbered |
//! | [`previous_attempts`](Builder::previous_attempts) | | `grpc-previous-rpc-attempts` | how many came before it: one to nineteen digits |
//!
//! Time is told as a duration, never as a time of day, as the clocks of two machines differ; what the network takes is not
//! subtracted. It is rounded down, so that no hop gains any. Over gRPC it is in the finest unit that eight digits have room
//! for. Time that is up is `0`, or `0n`.
//!
//! How long an attempt may take is time to the head of its answer: what follows may take longer, as events and downloads do, and
//! is bounded by what somebody has named, which is told as well. So it has a header of its own, and so has a deadline that is
//! [assumed](crate::Deadline::assumed). Who does not know that header works on for longer than somebody waits, and cuts nothing.
//!
//! One more header comes back with the answer: `x-request-exhausted`, by which a retry says that the attempts of the call are used
//! up. It belongs to the [retry](crate::retry#across-hops), which has no part in this layer.
//!
//! # What holds
//!
//! - **Inbound**, a request carries no more than its [`Trust`](crate::context::Trust) believes, and no more than it carried
//!   before: of two deadlines the earlier holds, of two classes the lower, of two attempts the later, and a task that is known
//!   already stays. A retry or a hedge further in, of a proxy that sends the request on, makes no attempts of an attempt. The
//!   headers are taken out, so nobody further in passes on by accident what was not believed.
//! - **Outbound**, a header says no more than the request's [`Context`](crate::Context), and that no more than the one of
//!   whoever it is made [on behalf of](crate::Context::on_behalf_of), whatever was set since. A header that you have set
//!   yourself stays if it says less. If the context says nothing of its worth, your header is held to `CRITICAL`, as
//!   everything that says nothing.
//! - **What cannot be read is as good as not said**, inbound: text of another form, two headers of one name, too long a
//!   name. Outbound, it is replaced by what the context says; where that says nothing, a class becomes `CRITICAL`, a time is
//!   removed, and the name of a task stays. Nothing errs or panics, and the work for each header is bounded.
//! - **Nothing here rejects.** A request whose time is up is sent on with none left. [`Timeout`](crate::Timeout) with
//!   [`deadline`](crate::timeout::Builder::deadline) rejects it, in front of the dependency or behind.
//!
//! # In a stack
//!
//! Inbound is the outermost layer of a server: what sheds, waits or times out further in looks at what it found. A layer that
//! knows better, as it knows who is calling, stands right behind it and sets what it knows. Outbound is the innermost
//! layer of a client: inside retries, so that each attempt is told what is left by then, and inside the
//! [`Timeout`](crate::Timeout), which shortens the deadline to its own.
//!
//! **Passing on** is for you to do, in a line: not all that a task does is done for the request that it began with. A handler
//! that does not get the request gets its extensions: Axum extracts `http::Extensions`, and Tonic's requests have them. A
//! proxy that sends on the request itself has nothing to do.
//!
//! **Clones** share the names of the headers and have no other state. Readiness, answers and errors are those of the service
//! inside; a call costs no task and no box, and besides what the maps of headers and extensions need, an allocation for each
//! header that is written, other than that of criticality. Nothing is written of a first attempt.

mod config;
mod headers;
mod service;

pub use config::Builder;
pub(crate) use config::{Names, header_name};
pub use headers::ContextHeaders;
pub use service::{Direction, Hop, HopLayer, Inbound, Outbound};
