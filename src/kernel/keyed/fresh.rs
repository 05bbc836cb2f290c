use crate::kernel::Instant;

/// Policies that can be made again: with the same settings, and with a state of their own.
///
/// [`Keyed`](super::Keyed) makes the policy of a new key like this.
///
/// ```
/// use cofferdam::{BreakerState, CircuitBreaker, Fresh};
///
/// let template = CircuitBreaker::builder("payments").probes(1).build()?;
/// template.force_open();
/// assert_eq!(template.fresh().state(), BreakerState::Closed);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
pub trait Fresh {
    /// A policy with the settings that this one has now, in the state in which it was built.
    #[must_use]
    fn fresh(&self) -> Self;

    /// Whether nobody would gain if this one were forgotten now and made anew, once no call is in flight. Only then is a key
    /// forgotten: a rate limit that has been used is not, or to be forgotten would be worth a burst.
    ///
    /// It is asked under a lock: it reads, and calls nothing.
    fn is_fresh(&self, now: Instant) -> bool {
        let _ = now;
        true
    }
}

impl Fresh for () {
    fn fresh(&self) {}
}

impl<P: Fresh> Fresh for Option<P> {
    fn fresh(&self) -> Self {
        self.as_ref().map(P::fresh)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.as_ref().is_none_or(|policy| policy.is_fresh(now))
    }
}

impl<P: Fresh> Fresh for std::sync::Arc<P> {
    fn fresh(&self) -> Self {
        Self::new(P::fresh(self))
    }

    fn is_fresh(&self, now: Instant) -> bool {
        P::is_fresh(self, now)
    }
}
