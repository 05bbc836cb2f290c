//! The settings, word by word, for those who read them while others are written.

use super::quota::Quota;
use crate::kernel::sync::{AtomicU32, AtomicU64, Ordering};

/// The settings of one generation.
#[derive(Debug, Default)]
pub(super) struct Slot {
    interval: AtomicU64,
    burst: AtomicU32,
    cold_factor: AtomicU32,
    warm_up: AtomicU64,
    cold_at: AtomicU64,
}

/// What holds until the settings change, or until nothing was used for a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Regime {
    pub(super) quota: Quota,
    /// When it was cold. While all permits are not back, warmth is what has been taken since then, in time.
    pub(super) cold_at: u64,
}

impl Slot {
    pub(super) fn write(&self, Regime { quota, cold_at }: Regime) {
        self.interval.store(quota.interval, Ordering::Relaxed);
        self.burst.store(quota.burst, Ordering::Relaxed);
        self.cold_factor.store(quota.cold_factor, Ordering::Relaxed);
        self.warm_up.store(quota.warm_up, Ordering::Relaxed);
        self.cold_at.store(cold_at, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn read(&self) -> Regime {
        let quota = Quota {
            interval: self.interval.load(Ordering::Relaxed),
            burst: self.burst.load(Ordering::Relaxed),
            warm_up: self.warm_up.load(Ordering::Relaxed),
            cold_factor: self.cold_factor.load(Ordering::Relaxed),
        };
        Regime { quota, cold_at: self.cold_at.load(Ordering::Relaxed) }
    }
}
