//! How much may pass, as arithmetic: told the time, with no state of its own.

use std::{cell::Cell, num::NonZeroU32, ops::Add, time::Duration};

use governor::{
    RateLimiter,
    clock::{Clock, Reference},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};

use crate::kernel::Instant;

/// What a rate limit is set to, as it is reckoned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    /// Nanoseconds from one permit to the next.
    pub(super) interval: u64,
    /// How many permits there are at most.
    pub(super) burst: u32,
    /// How long it takes to become warm, in nanoseconds: zero if it always is.
    pub(super) warm_up: u64,
    /// How much less it lets through when it is cold.
    pub(super) cold_factor: u32,
}

/// How far a limit has been used, at one moment. Both are in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    /// For how long permits that are taken will still be coming back.
    pub(super) ahead: u64,
    /// For how long it has been in use: it does not count beyond the warm-up.
    pub(super) warmth: u64,
}

impl Quota {
    /// How long it takes for all permits to come back.
    pub(super) fn whole(&self) -> u64 {
        self.interval.saturating_mul(self.burst.into())
    }

    /// The time from one permit to the next at this warmth.
    ///
    /// The rate is `r * (1/k + (1 - 1/k) * warmth/warm_up)`: it begins at the `k`th part of what it is set to, and climbs
    /// evenly. Each permit costs its time and adds it to the warmth, so under full load the climb takes the warm-up, and
    /// each moment that nothing is used takes as much warmth away. After Guava's `SmoothWarmingUp`, which counts stored
    /// permits in place of warmth and lets the interval, rather than the rate, change evenly.
    fn interval_at(&self, warmth: u64) -> u64 {
        if warmth >= self.warm_up {
            return self.interval;
        }
        let (factor, warm_up) = (u128::from(self.cold_factor), u128::from(self.warm_up));
        let slow = u128::from(self.interval) * factor * warm_up;
        let interval = slow.div_ceil(warm_up + (factor - 1) * u128::from(warmth));
        u64::try_from(interval).unwrap_or(u64::MAX)
    }

    /// What that many permits cost now, in nanoseconds.
    pub(super) fn price(&self, used: Used, weight: u32) -> u64 {
        self.interval_at(used.warmth).saturating_mul(weight.into())
    }

    /// How far it has been used after these permits were taken as well, or the moment from which they may be. `weight` is
    /// at most the burst.
    #[inline]
    pub(super) fn take(&self, used: Used, weight: u32, now: Instant) -> Result<u64, Instant> {
        let Some(weight) = NonZeroU32::new(weight) else { return Ok(used.ahead) };
        let interval = self.interval_at(used.warmth);
        let cold = interval != self.interval;
        // As long as it is cold, as much less at once; but what may pass at all passes when nothing else did.
        let burst = if cold { (self.whole() / interval) as u32 } else { self.burst };
        let burst = NonZeroU32::new(burst).map_or(weight, |burst| burst.max(weight));
        // What is left of the whole besides those permits counts as well: governor knows whole permits only.
        let rest = if cold { self.whole().saturating_sub(interval.saturating_mul(burst.get().into())) } else { 0 };
        let rest = rest.min(used.ahead);
        let period = Duration::from_nanos(interval);
        let Some(quota) = governor::Quota::with_period(period) else { return Err(Instant::NEVER) };
        let ahead = Ahead(Cell::new(used.ahead - rest));
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<Moment>> =
            RateLimiter::new(quota.allow_burst(burst), ahead, Told(now));
        match limiter.check_n(weight) {
            Ok(Ok(())) => Ok(limiter.into_state_store().0.get() + rest),
            Ok(Err(not_until)) => Err(not_until.earliest_possible().0),
            Err(_) => Err(Instant::NEVER),
        }
    }

    /// As far as it has been used, under these settings, where it was that far under others.
    ///
    /// The share that is free stays what it is, and never becomes more permits than there were: nobody gains by a change,
    /// nor by any number of them. (Were the share kept when the burst grows, a limit that goes to and fro would earn
    /// permits at the pace of the small burst and spend them at the size of the large one.) Warmth keeps its share.
    pub(super) fn carry_over(&self, before: &Self, used: Used) -> Used {
        let (whole, now_whole) = (before.whole(), self.whole());
        let free = whole.saturating_sub(used.ahead);
        let over = scale(used.ahead.saturating_sub(whole), self.interval, before.interval);
        let free = if self.burst < before.burst {
            scale(free, now_whole, whole)
        } else {
            scale(free, self.interval, before.interval)
        };
        let warmth = match before.warm_up {
            0 => self.warm_up,
            warm_up => scale(used.warmth.min(warm_up), self.warm_up, warm_up),
        };
        Used { ahead: now_whole.saturating_sub(free).saturating_add(over), warmth }
    }
}

/// `value * to / from`, rounded down.
fn scale(value: u64, to: u64, from: u64) -> u64 {
    let scaled = (u128::from(value) * u128::from(to)).checked_div(from.into()).unwrap_or(0);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// The state that governor decides over: for how long after the moment that it was told permits will be coming back.
///
/// It is not the word that threads share. Governor has the quota at hand before it asks for the state, and here both may
/// change at once; so the two are read together outside, and what comes of them is put back if neither has changed.
struct Ahead(Cell<u64>);

impl StateStore for Ahead {
    type Key = NotKeyed;

    #[inline]
    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, ahead) = decide(Some(self.0.get().into()))?;
        self.0.set(ahead.into());
        Ok(outcome)
    }
}

/// Governor's clock: the moment that the policy was told by the kernel's.
struct Told(Instant);

impl Clock for Told {
    type Instant = Moment;

    #[inline]
    fn now(&self) -> Moment {
        Moment(self.0)
    }
}

/// The kernel's moment, as governor reckons with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(Instant);

impl Reference for Moment {
    #[inline]
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.as_nanos().saturating_sub(earlier.0.as_nanos()).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(Instant::from_nanos(self.0.as_nanos().saturating_sub(duration.as_u64())))
    }
}

impl Add<Nanos> for Moment {
    type Output = Self;

    #[inline]
    fn add(self, duration: Nanos) -> Self {
        Self(self.0.after(duration.into()))
    }
}
