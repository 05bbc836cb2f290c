//! A dry run for any policy.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Admit, Ended, Fresh, Immediate, Instant, Name, Policy, Rejected, Timing};

/// Decides as the policy in it does, and rejects nothing: what would have been rejected is counted and let through.
///
/// Put a new limit into production like this first. Calls that would have been rejected run unseen by the inner policy,
/// as it never admitted them.
///
/// ```
/// use cofferdam::{Admit, Bulkhead, Instant, Shadow};
///
/// let shadow = Shadow::new(Bulkhead::builder("checkout").limit(1).build()?);
/// let first = shadow.admit(&(), Instant::now());
/// let second = shadow.admit(&(), Instant::now());
/// assert!(first.is_ok() && second.is_ok());
/// assert_eq!(shadow.would_have_rejected(), 1);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[doc(alias = "dry run")]
#[derive(Clone, Debug)]
pub struct Shadow<P> {
    policy: P,
    rejections: Arc<AtomicU64>,
}

impl<P> Shadow<P> {
    /// Runs `policy` dry.
    pub fn new(policy: P) -> Self {
        Self { policy, rejections: Arc::default() }
    }

    /// The policy that decides.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// How many calls it would have rejected since it was made.
    #[must_use]
    pub fn would_have_rejected(&self) -> u64 {
        self.rejections.load(Ordering::Relaxed)
    }
}

impl<P: Fresh> Fresh for Shadow<P> {
    fn fresh(&self) -> Self {
        Self::new(self.policy.fresh())
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.policy.is_fresh(now)
    }
}

impl<P: Policy> Policy for Shadow<P> {
    type Kind = Immediate;
    type Token = Option<P::Token>;

    const TIMING: Timing = P::TIMING;
    const TIMING_OF_ENDS: Timing = P::TIMING_OF_ENDS;

    fn name(&self) -> Option<Name> {
        self.policy.name()
    }

    #[inline]
    fn head(&self, token: &Self::Token, started: Instant, now: Instant) {
        if let Some(token) = token {
            self.policy.head(token, started, now);
        }
    }

    fn lasts(&self, token: &mut Self::Token, head: &Ended) {
        if let Some(token) = token {
            self.policy.lasts(token, head);
        }
    }

    #[inline]
    fn settle(&self, token: Self::Token, ended: &Ended) {
        if let Some(token) = token {
            self.policy.settle(token, ended);
        }
    }

    #[inline]
    fn undo(&self, token: Self::Token, now: Instant) {
        if let Some(token) = token {
            self.policy.undo(token, now);
        }
    }
}

impl<Request, P: Admit<Request>> Admit<Request> for Shadow<P> {
    #[inline]
    fn admit(&self, request: &Request, now: Instant) -> Result<Self::Token, Rejected> {
        let admitted = self.policy.admit(request, now).ok();
        if admitted.is_none() {
            self.rejections.fetch_add(1, Ordering::Relaxed);
        }
        Ok(admitted)
    }
}
