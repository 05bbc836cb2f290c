//! Tower layers that contain a degraded dependency instead of letting it spread.
mod flow;
#[cfg(feature = "http")]
pub mod http;
mod kernel;
mod policy;

#[cfg(feature = "http")]
pub use crate::http::{Http, rejection};
pub use flow::{
    fallback::{self, Cause, Failed, Fallback, FallbackLayer},
    timeout::{self, Timeout, TimeoutLayer},
};
pub use kernel::{
    Admit, ByResult, Call, Carries, Classify, ClassifyWith, Context, Deadline, Degraded, Ended, Guard, Guarded,
    GuardedFuture, Instant, Invalid, Name, Oneshot, Outcome, Plain, Policy, Protocol, Ratio, Reading, Refused,
    Rejected, Shadow, Ticket, Why, guard,
};
pub use policy::{
    breaker::{self, CircuitBreaker, State as BreakerState},
    bulkhead::{self, Bulkhead},
};

/// Any error, as tower spells it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
