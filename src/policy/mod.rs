//! Patterns that admit a call or reject it.

pub mod breaker;
pub mod bulkhead;
pub mod drain;
pub mod limit;
pub mod pool;
#[cfg(feature = "rate-limit")]
pub mod rate;
pub mod shed;
pub mod throttle;
