use std::time::Duration;

use crate::kernel::Instant;

/// What is known of how long the original takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Age {
    /// Nothing is to be learned of this call, or it has been.
    Settled,
    /// Nobody has waited for it yet.
    Fresh,
    /// It is waited for since then, and no delay was known to compare it with.
    Untimed(Instant),
    /// It is younger than that.
    Below(Duration),
    /// The same, though its timer has fired once: so late that it says nothing of the call.
    Excused(Duration),
    /// It reached the delay, and a hedge was sent or not.
    Reached,
}
