//! Tower layers that contain a degraded dependency instead of letting it spread.
//!
//! On a ship, a cofferdam is the empty space between two bulkheads: what leaks into one compartment never reaches the
//! next. This crate is that space between a service and the things it depends on. A dependency slows down, errs or dies;
//! the damage stays where it began.
//!
//! ```
//! use std::time::Duration;
//! use cofferdam::{Bulkhead, CircuitBreaker, Policy, Timeout, guard};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
//! let breaker = CircuitBreaker::builder("payments").build()?;
//! let slots = Bulkhead::builder("payments").limit(16).build()?;
//!
//! let payments = ServiceBuilder::new()
//!     .layer(guard((breaker.clone(), slots.clone())))
//!     .layer(Timeout::builder("payments").attempt(Duration::from_millis(300)).build()?)
//!     .service(service_fn(|cents: u64| async move { Ok::<_, BoxError>(format!("charged {cents}")) }));
//!
//! assert_eq!(payments.oneshot(250).await?, "charged 250");
//! assert_eq!(breaker.counts().calls, 1);
//! # Ok(()) }
//! ```
//!
//! Which patterns a service needs, in which order, how to tune, watch and test them, and how to come from other libraries, is in
//! the [`guide`]. All of it in a line is `http::server("checkout").build()?` and `http::client("payments").build()?`: see
//! [`presets`].
//!
//! # The map
//!
//! | you want | it is | module |
//! |---|---|---|
//! | a whole stack in a line | [`http::server`], [`http::client`], and under [`grpc`] and [`tonic`] | [`presets`] |
//! | to stop calling what does not work | [`CircuitBreaker`] | [`breaker`] |
//! | at most so many calls at a time | [`Bulkhead`] | [`bulkhead`] |
//! | at most so many calls per time | [`RateLimit`], feature `rate-limit` | [`rate`] |
//! | the slots of a service kept from a dependency that is sick | [`Pool`], [`PoolShare`] | [`pool`] |
//! | as many calls at a time as get done | [`AdaptiveLimit`] | [`limit`] |
//! | what matters most to be done first | [`LoadShed`] | [`shed`] |
//! | no call to last longer than it is worth | [`Timeout`], [`Deadline`] | [`timeout`] |
//! | to send a server no more than it takes | [`AdaptiveThrottle`] | [`throttle`] |
//! | another attempt where that helps | [`Retry`], [`Backoff`] | [`retry`] |
//! | a streaming body to be sent again | [`Replay`], chosen by `.http()` on a retry | [`http::replay`] |
//! | the slowest calls not to be waited for | [`Hedge`] | [`hedge`] |
//! | an answer all the same | [`Fallback`] | [`fallback`] |
//! | a server to go without losing a call | [`Drain`] | [`drain`] |
//! | calls to wait for a slot for a while | [`Bulkhead`] with a [queue](bulkhead::Builder::queue) | [`bulkhead`], [`waiting`] |
//! | calls to take as much as they weigh | [`Weighted`] | [`weighted`] |
//! | a policy per tenant, shard or route | [`Keyed`] | [`keyed`] |
//! | extra attempts to be at most a share of what succeeds | [`Budget`] | [`budget`] |
//! | breaker, limit, retry and hedge to share what they know | [`Dependency`] | [`dependency`] |
//! | how requests are kept and answers are read for several attempts | [`attempts::Repeat`], [`attempts::AttemptProtocol`] | [`attempts`] |
//! | to try a policy without rejecting anything | [`Shadow`] | |
//! | several policies as one | a tuple, or [`Policy::and`] | |
//! | a policy of your own | [`Policy`], [`Admit`] | |
//! | to hear what happens | [`observe`], [`CircuitBreaker::subscribe`] | |
//! | to steer policies by name, in text | [`Control`] | |
//! | what travels with a request | [`Context`]: [`Deadline`], [`Criticality`], [`Attempt`], [`TaskKey`] | [`context`] |
//! | that to travel from service to service | [`ContextHeaders`], feature `http` | [`hops`] |
//! | any future under a policy, without a service | [`Guard::call`] | |
//! | services that answer with HTTP responses | `.http()`, feature `http` | [`http`] |
//! | services that speak gRPC | `.grpc()`, feature `grpc` | [`grpc`] |
//! | a retry or a hedge in front of a Tonic `Channel` | `.tonic()`, feature `tonic` | [`tonic`] |
//!
//! # The order of layers
//!
//! From the outside in: **fallback, share of a pool, retry, hedge, guard (breaker, throttle, bulkhead), timeout, service**. The fallback answers
//! for everything further in. A [share](pool) lasts from the first attempt to the last, as the request's own slot does. Retry and hedge make each attempt pass the guards by itself. The breaker stands before the bulkhead, so that an open one costs no slot, and both stand outside the
//! timeout: a timeout is a failure that the breaker counts, and a call holds its slot until the timeout ends it. A drain
//! is the outermost layer of a server. What reads a request's context from headers is outermost in a server, and what writes it is innermost in a client: see [`hops`].
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `http` | yes | the HTTP protocol: `.http()` on layers; a request's context in headers |
//! | `grpc` | no | the gRPC protocol: `.grpc()` on layers; with it comes `http` |
//! | `tonic` | no | what only Tonic's types need: `cofferdam::tonic::client` around a `Channel`, and rejections as a `Status`; with it comes `grpc` |
//! | `rate-limit` | no | [`RateLimit`], on the crate `governor` |
//! | `serde` | no | settings of whole stacks, read from files: [`presets::Config`] |
//! | `tracing` | no | [`Tracing`], an observer that writes events to `tracing` |
//! | `test-util` | no | the crate's clock is tokio's, so tests on a paused clock work; not for production |
//!
// Where these names lead: into the documentation of all features, or to it.
#![cfg_attr(
    all(feature = "rate-limit", feature = "tonic", feature = "tracing"),
    doc = "
[`guide`]: guide
[`presets`]: presets
[`presets::Config`]: presets::Config
[`http`]: mod@crate::http
[`http::server`]: crate::http::server
[`http::client`]: crate::http::client
[`Replay`]: Replay
[`http::replay`]: crate::http::replay
[`ContextHeaders`]: ContextHeaders
[`hops`]: hops
[`grpc`]: mod@crate::grpc
[`tonic`]: mod@crate::tonic
[`RateLimit`]: RateLimit
[`rate`]: rate
[`Tracing`]: Tracing
"
)]
#![cfg_attr(
    not(all(feature = "rate-limit", feature = "tonic", feature = "tracing")),
    doc = "
[`guide`]: <https://docs.rs/cofferdam/latest/cofferdam/guide/index.html>
[`presets`]: <https://docs.rs/cofferdam/latest/cofferdam/presets/index.html>
[`presets::Config`]: <https://docs.rs/cofferdam/latest/cofferdam/presets/struct.Config.html>
[`http`]: <https://docs.rs/cofferdam/latest/cofferdam/http/index.html>
[`http::server`]: <https://docs.rs/cofferdam/latest/cofferdam/presets/fn.http_server.html>
[`http::client`]: <https://docs.rs/cofferdam/latest/cofferdam/presets/fn.http_client.html>
[`Replay`]: <https://docs.rs/cofferdam/latest/cofferdam/http/replay/struct.Replay.html>
[`http::replay`]: <https://docs.rs/cofferdam/latest/cofferdam/http/replay/index.html>
[`ContextHeaders`]: <https://docs.rs/cofferdam/latest/cofferdam/http/hops/struct.ContextHeaders.html>
[`hops`]: <https://docs.rs/cofferdam/latest/cofferdam/http/hops/index.html>
[`grpc`]: <https://docs.rs/cofferdam/latest/cofferdam/grpc/index.html>
[`tonic`]: <https://docs.rs/cofferdam/latest/cofferdam/tonic/index.html>
[`RateLimit`]: <https://docs.rs/cofferdam/latest/cofferdam/struct.RateLimit.html>
[`rate`]: <https://docs.rs/cofferdam/latest/cofferdam/rate/index.html>
[`Tracing`]: <https://docs.rs/cofferdam/latest/cofferdam/struct.Tracing.html>
"
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

mod flow;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "http")]
pub mod guide;
#[cfg(feature = "http")]
pub mod http;
mod kernel;
mod policy;
#[cfg(feature = "http")]
pub mod presets;
#[cfg(feature = "tonic")]
pub mod tonic;
mod watch;

pub use flow::{
    fallback::{self, Cause, Failed, Fallback, FallbackLayer},
    hedge::{self, Hedge, HedgeLayer},
    retry::{self, Backoff, Retry, RetryLayer},
    timeout::{self, Timeout, TimeoutLayer},
};
#[cfg(feature = "grpc")]
pub use grpc::Grpc;
#[cfg(feature = "http")]
pub use http::{
    Http,
    hops::{self, ContextHeaders},
    rejection,
    replay::{self, Replay},
};
pub use kernel::{
    Admit, Attempt, Bell, Breaks, Budget, ByResult, Call, Carries, Classify, ClassifyWith, Context, Control,
    Criticality, Cutting, Deadline, Degraded, Dependency, Ended, Ends, Event, Fresh, GivenUp, Guard, Guarded,
    GuardedFuture, Immediate, Instant, Invalid, Keyed, Kind, Lasting, Listening, Made, Name, Next, Observer, Oneshot,
    Outcome, Plain, Policy, Protocol, Ratio, Reading, Refused, Rejected, Run, RunFuture, Setting, Shadow, Subscription,
    TaskKey, Ticket, Timing, Waiting, WaitingCall, WaitingFuture, Weighted, What, Why, attempts, budget, context,
    dependency, guard, keyed, observe, observer_panics, waiting, weighted,
};
#[cfg(feature = "rate-limit")]
pub use policy::rate::{self, Rate, RateLimit};
pub use policy::{
    breaker::{self, CircuitBreaker, State as BreakerState},
    bulkhead::{self, Bulkhead},
    drain::{self, Drain, State as DrainState},
    limit::{self, AdaptiveLimit},
    pool::{self, Pool, Share as PoolShare, State as PoolState},
    shed::{self, LoadShed},
    throttle::{self, AdaptiveThrottle, State as ThrottleState},
};
#[cfg(feature = "tracing")]
pub use watch::Tracing;

/// Any error, as tower spells it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The programs in the README are compiled and run like all others.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../README.md")]
struct Readme;
