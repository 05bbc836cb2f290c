//! One policy for many threads, counted by each of them on its own.

use std::{fmt, ops::Deref};

use super::{
    lane::{Lane, lane, lanes},
    sync::Arc,
};

/// A policy that services share.
///
/// Every call holds the policy while it lasts. Were there one count of holders, every call of every thread would write to
/// it twice; so each lane of threads counts its own calls, and the lanes together hold the policy once each. It takes
/// 256 bytes per lane.
pub(crate) struct Shared<P>(Arc<Counts<P>>);

struct Counts<P> {
    policy: Arc<P>,
    lanes: Box<[Arc<Lane<Arc<P>>>]>,
}

impl<P> Shared<P> {
    pub(crate) fn new(policy: P) -> Self {
        let policy = Arc::new(policy);
        let lanes = (0..lanes()).map(|_| Arc::new(Lane(Arc::clone(&policy)))).collect();
        Self(Arc::new(Counts { policy, lanes }))
    }

    /// Holds the policy for one call.
    #[inline]
    pub(crate) fn hold(&self) -> Held<P> {
        let lanes = &self.0.lanes;
        Held(Arc::clone(&lanes[lane(lanes.len())]))
    }
}

/// The policy, and not once for each lane.
impl<P: fmt::Debug> fmt::Debug for Shared<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.policy.fmt(f)
    }
}

impl<P> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P> Deref for Shared<P> {
    type Target = P;

    #[inline]
    fn deref(&self) -> &P {
        &self.0.policy
    }
}

/// A policy, held by one call.
#[derive(Debug)]
pub(crate) struct Held<P>(Arc<Lane<Arc<P>>>);

impl<P> Deref for Held<P> {
    type Target = P;

    #[inline]
    fn deref(&self) -> &P {
        &self.0.0
    }
}
