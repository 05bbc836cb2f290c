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
//! # The map
//!
//! | you want | it is | module |
//! |---|---|---|
//! | to stop calling what does not work | [`CircuitBreaker`] | [`breaker`] |
//! | at most so many calls at a time | [`Bulkhead`] | [`bulkhead`] |
//! | at most so many calls per time | `RateLimit`, feature `rate-limit` | `rate` |
//! | the slots of a service kept from a dependency that is sick | [`Pool`], [`PoolShare`] | [`pool`] |
//! | as many calls at a time as get done | [`AdaptiveLimit`] | [`limit`] |
//! | what matters most to be done first | [`LoadShed`] | [`shed`] |
//! | no call to last longer than it is worth | [`Timeout`], [`Deadline`] | [`timeout`] |
//! | to send a server no more than it takes | [`AdaptiveThrottle`] | [`throttle`] |
//! | another attempt where that helps | [`Retry`], [`Backoff`] | [`retry`] |
//! | an answer all the same | [`Fallback`] | [`fallback`] |
//! | calls to wait for a slot for a while | [`Bulkhead`] with a [queue](bulkhead::Builder::queue) | [`bulkhead`], [`waiting`] |
//! | a policy per tenant, shard or route | [`Keyed`] | [`keyed`] |
//! | extra attempts to be at most a share of what succeeds | [`Budget`] | [`budget`] |
//! | to try a policy without rejecting anything | [`Shadow`] | |
//! | several policies as one | a tuple, or [`Policy::and`] | |
//! | a policy of your own | [`Policy`], [`Admit`] | |
//! | to hear what happens | [`observe`], [`CircuitBreaker::subscribe`] | |
//! | to steer policies by name, in text | [`Control`] | |
//! | what travels with a request | [`Context`]: [`Deadline`], [`Criticality`], [`Attempt`], [`TaskKey`] | [`context`] |
//! | that to travel from service to service | [`ContextHeaders`] | [`hops`] |
//! | any future under a policy, without a service | [`Guard::call`] | |
//! | services that answer with HTTP responses | [`.http()`](Guard::http) | [`mod@http`] |
//! | services that speak gRPC | `.grpc()`, feature `grpc` | `grpc` |
//!
//! # The order of layers
//!
//! From the outside in: **fallback, share of a pool, retry, guard (breaker, throttle, bulkhead), timeout, service**. The fallback answers
//! for everything further in. A [share](pool) lasts from the first attempt to the last, as the request's own slot does. The retry makes each attempt pass the guards by itself. The breaker stands before the bulkhead, so that an open one costs no slot, and both stand outside the
//! timeout: a timeout is a failure that the breaker counts, and a call holds its slot until the timeout ends it. What reads a
//! request's context from headers is outermost in a server, and what writes it is innermost in a client: see [`hops`].
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `http` | yes | the HTTP protocol: `.http()` on layers; a request's context in headers |
//! | `grpc` | no | the gRPC protocol: `.grpc()` on layers; with it comes `http` |
//! | `rate-limit` | no | `RateLimit`, on the crate `governor` |
//! | `tracing` | no | [`Tracing`], an observer that writes events to `tracing` |
//! | `test-util` | no | the crate's clock is tokio's, so tests on a paused clock work; not for production |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod flow;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "http")]
pub mod http;
mod kernel;
mod policy;
mod watch;

pub use flow::{
    fallback::{self, Cause, Failed, Fallback, FallbackLayer},
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
};
pub use kernel::{
    Admit, Attempt, Bell, Budget, ByResult, Call, Carries, Classify, ClassifyWith, Context, Control, Criticality,
    Deadline, Degraded, Ended, Event, Fresh, GivenUp, Guard, Guarded, GuardedFuture, Immediate, Instant, Invalid,
    Keyed, Kind, Listening, Name, Next, Observer, Oneshot, Outcome, Plain, Policy, Protocol, Ratio, Reading, Refused,
    Rejected, Run, RunFuture, Setting, Shadow, Subscription, TaskKey, Ticket, Timing, Waiting, WaitingCall,
    WaitingFuture, What, Why, budget, context, guard, keyed, observe, observer_panics, waiting,
};
#[cfg(feature = "rate-limit")]
pub use policy::rate::{self, Rate, RateLimit};
pub use policy::{
    breaker::{self, CircuitBreaker, State as BreakerState},
    bulkhead::{self, Bulkhead},
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
