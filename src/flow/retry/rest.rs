//! What a retry keeps of a call for further attempts.

use std::time::Duration;

use crate::kernel::Instant;

/// What further attempts are made of.
pub(super) struct Rest<S, K> {
    pub(super) service: S,
    pub(super) kept: K,
    /// No attempt is begun from then on.
    pub(super) end: Option<Instant>,
    /// Nobody wants an answer that comes later.
    pub(super) deadline: Option<Instant>,
}

impl<S, K> Rest<S, K> {
    /// Whether an attempt that begins at that time, and takes that long at least, is too late.
    pub(super) fn is_too_late(&self, begins: Instant, least: Duration) -> bool {
        self.end.is_some_and(|end| begins >= end)
            || self.deadline.is_some_and(|deadline| begins >= deadline || begins.after(least) > deadline)
    }
}
