//! What is known of a call while it lasts.

use std::num::NonZeroU64;

use crate::kernel::{Deadline, Instant};

/// A call that began.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    /// When, exactly, if it is timed, as the nanosecond after that; else one.
    timed: NonZeroU64,
    /// How many microseconds its caller waits, or zero if it did not say, and the cohort it is in, or zero for none: two words in
    /// all, also where there may be none of this, so that it is moved in registers.
    rest: u64,
}

impl Begun {
    /// Let in beyond the limit, which knows nothing of it. A value of it and no case beside it, as a third would take a third word.
    pub(in crate::policy) const BEYOND: Self = Self { timed: NonZeroU64::MAX, rest: 0 };

    #[inline]
    pub(in crate::policy) fn is_beyond(self) -> bool {
        self.timed == NonZeroU64::MAX
    }

    #[inline]
    pub(super) fn new(timed: Instant, patience: u32, mark: u32) -> Self {
        Self {
            timed: NonZeroU64::MIN.saturating_add(timed.as_nanos()),
            rest: u64::from(patience) << 32 | u64::from(mark),
        }
    }

    /// Neither timed nor in a cohort, for a caller who waits so many microseconds; zero if it did not say.
    #[inline]
    pub(super) fn untimed(patience: u32) -> Self {
        Self { timed: NonZeroU64::MIN, rest: u64::from(patience) << 32 }
    }

    #[inline]
    pub(super) fn is_timed(self) -> bool {
        self.timed != NonZeroU64::MIN
    }

    #[inline]
    pub(super) fn timed(self) -> Instant {
        Instant::from_nanos(self.timed.get() - 1)
    }

    #[inline]
    pub(super) fn patience(self) -> u32 {
        (self.rest >> 32) as u32
    }

    #[inline]
    pub(super) fn mark(self) -> u32 {
        self.rest as u32
    }

    /// Whether the deadline had passed when it began.
    #[inline]
    pub(in crate::policy) fn is_too_late(self, deadline: Option<Deadline>) -> bool {
        deadline.is_some() && self.patience() == 0
    }
}

/// What a call holds.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct Held {
    pub(super) slots: u32,
    /// For how many of them its time counts.
    pub(super) timed: u32,
}

impl Held {
    /// What every call holds that has no weight.
    pub(in crate::policy) const ONE: Self = Self { slots: 1, timed: 1 };

    /// What those hold that were let in beyond the limit.
    pub(in crate::policy) const NOTHING: Self = Self { slots: 0, timed: 0 };
}

/// A call that began, and what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Weighed {
    pub(in crate::policy) begun: Begun,
    pub(in crate::policy) held: Held,
}
