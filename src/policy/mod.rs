//! Patterns that admit a call or reject it.

pub mod breaker;
pub mod bulkhead;
pub mod throttle;
