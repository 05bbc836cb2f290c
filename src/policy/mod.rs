//! Patterns that admit a call or reject it.

pub mod breaker;
pub mod bulkhead;
#[cfg(feature = "rate-limit")]
pub mod rate;
