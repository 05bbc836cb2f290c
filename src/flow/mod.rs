//! Patterns that change how a call runs.

pub mod fallback;
pub mod hedge;
pub mod retry;
pub mod timeout;
