//! Waits between the attempts of a call.

mod backoff;

pub use backoff::{Backoff, Waits};
