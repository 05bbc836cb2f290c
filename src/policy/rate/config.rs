use std::time::Duration;

use super::{NoQueue, Queue, Queued, Rate, RateLimit, quota::Quota, state::State, value::LONGEST};
use crate::kernel::{
    Invalid, Name, clock,
    context::{Bounds, CarriedDeadline},
    sync::Arc,
    waiting::Order,
};

/// Builds a [`RateLimit`], or changes one: see [`RateLimit::configure`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`rate`](Self::rate) | to be said | 1 permit in ten years to 1 per microsecond |
/// | [`burst`](Self::burst) | what comes in the rate's period | 1 to 4,294,967,295 permits, which come back within ten years |
/// | [`warm_up`](Self::warm_up) | none | above 0 |
/// | [`cold_factor`](Self::cold_factor), with a warm-up | 3 | 2 to 100 |
/// | [`queue`](Self::queue) | none | 1 to 1,048,576 calls that wait |
/// | [`max_wait`](Builder::max_wait), with a queue | 250 ms | above 0 |
/// | [`deadline`](Builder::deadline), with a queue | not looked at | |
/// | [`order`](Builder::order), with a queue | first come, first served; the newest first once the line has not been empty for 100 ms | above 0 |
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Rate, RateLimit};
///
/// let hundred = Rate::per_second(100)?;
/// assert_eq!(RateLimit::builder("search", hundred).build()?.burst(), 100);
/// assert!(RateLimit::builder("search", hundred).burst(0).build().is_err());
///
/// let patient = RateLimit::builder("search", hundred).burst(10).queue(50).max_wait(Duration::from_secs(1)).build()?;
/// assert_eq!(patient.waiting(), 0);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<Q = NoQueue> {
    name: String,
    pub(super) settings: Settings,
    pub(super) queue: Q,
}

/// What every rate limit is set to, as it was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) rate: Rate,
    pub(super) burst: u32,
    pub(super) warm_up: Option<Duration>,
    pub(super) cold_factor: u32,
}

/// As in Guava and in Sentinel.
const COLD_FACTOR: u32 = 3;

impl Settings {
    pub(super) fn of(state: &State) -> Self {
        let quota = state.quota();
        let warm_up = (quota.warm_up > 0).then(|| Duration::from_nanos(quota.warm_up));
        Self { rate: state.rate(), burst: quota.burst, warm_up, cold_factor: quota.cold_factor }
    }

    pub(super) fn check(&self) -> Result<Quota, Invalid> {
        if !(2..=100).contains(&self.cold_factor) {
            return Err(Invalid::new("cold_factor", self.cold_factor, "2 to 100"));
        }
        let warm_up = match self.warm_up {
            Some(time) => clock::nanos(Invalid::unless_duration("warm_up", time)?),
            None => 0,
        };
        let interval = self.rate.interval_nanos();
        let slowest = if warm_up > 0 { interval.checked_mul(self.cold_factor.into()) } else { Some(interval) };
        let whole = slowest.and_then(|interval| interval.checked_mul(self.burst.into()));
        if self.burst == 0 || whole.is_none_or(|whole| whole > LONGEST) {
            let allowed = "1 to 4294967295, and so that all of it comes back within 10 years, cold or warm";
            return Err(Invalid::new("burst", self.burst, allowed));
        }
        Ok(Quota { interval, burst: self.burst, warm_up, cold_factor: self.cold_factor })
    }

    fn state(&self) -> Result<Arc<State>, Invalid> {
        Ok(Arc::new(State::new(self.rate, self.check()?)))
    }
}

impl Builder {
    pub(super) fn new(name: String, rate: Rate) -> Self {
        let settings = Settings { rate, burst: rate.permits(), warm_up: None, cold_factor: COLD_FACTOR };
        Self { name, settings, queue: NoQueue }
    }

    /// Lets that many calls wait for permits, rather than rejecting them at once. The services behind must be `Clone` then.
    ///
    /// Default: none may. Range: 1 to 1,048,576.
    pub fn queue(self, length: usize) -> Builder<Queued> {
        Builder { name: self.name, settings: self.settings, queue: Queued::new(length) }
    }

    /// Builds the rate limit.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<RateLimit, Invalid> {
        Ok(RateLimit::new(Name::new(&self.name)?, self.settings.state()?, NoQueue))
    }
}

impl<Q> Builder<Q> {
    /// A builder that holds what a rate limit is set to.
    pub(super) fn of(name: Name, settings: Settings, queue: Q) -> Self {
        Self { name: name.to_string(), settings, queue }
    }

    /// How many permits come in how much time, evenly. The burst stays what it is.
    ///
    /// Default: to be said. Range: one permit in ten years to one per microsecond, which [`Rate`] sees to.
    pub fn rate(mut self, rate: Rate) -> Self {
        self.settings.rate = rate;
        self
    }

    /// How many permits there are at most: so many may be taken at once after a time in which none were. In any time `t`
    /// no more are taken than `burst + rate * t`.
    ///
    /// Default: what comes in the rate's period, as in 100 for 100 per second. Range: 1 to 4,294,967,295, and so that all
    /// of it comes back within ten years. With a queue it should be no less than what comes in 2 ms: timers are no finer than that,
    /// and those who wait get less than the rate.
    pub fn burst(mut self, permits: u32) -> Self {
        self.settings.burst = permits;
        self
    }

    /// How long it takes from cold to warm: for a dependency that must fill its caches first. Cold, which it is at the
    /// beginning and when it has not been used for that long, the limit lets through a
    /// [`cold_factor`](Self::cold_factor)th of its rate and of its burst; under full load it climbs evenly. `None` is no
    /// warm-up.
    ///
    /// Default: none. Range: above zero, at most 100 years.
    pub fn warm_up(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.settings.warm_up = time.into();
        self
    }

    /// How many times less is let through cold than warm.
    ///
    /// Default: 3. Range: 2 to 100.
    pub fn cold_factor(mut self, factor: u32) -> Self {
        self.settings.cold_factor = factor;
        self
    }
}

impl<D: Bounds + Clone> Builder<Queued<D>> {
    /// Lets that many calls wait.
    ///
    /// Range: 1 to 1,048,576.
    pub fn queue(mut self, length: usize) -> Self {
        self.queue.length = length;
        self
    }

    /// How long a call may wait; after that it is rejected. Deadlines and timeouts further out end the wait as well.
    ///
    /// Default: 250 ms. Range: above zero, at most 100 years.
    pub fn max_wait(mut self, time: Duration) -> Self {
        self.queue.max_wait = time;
        self
    }

    /// Who goes first.
    ///
    /// Default: [`Order::Adaptive`] after 100 ms. Range: above zero, at most 100 years.
    pub fn order(mut self, order: Order) -> Self {
        self.queue.order = order;
        self
    }

    /// Lets a call wait no longer than its request's deadline, which requests must then be able to carry: see
    /// [`Context`](crate::Context). One whose deadline comes while it waits is rejected with
    /// [`Why::Expired`](crate::Why::Expired).
    pub fn deadline(self) -> Builder<Queued<CarriedDeadline>> {
        Builder { name: self.name, settings: self.settings, queue: self.queue.until_deadline() }
    }

    /// Builds the rate limit.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<RateLimit<Queue<D>>, Invalid> {
        let name = Name::new(&self.name)?;
        let state = self.settings.state()?;
        let queue = Queue::new(name, Arc::clone(&state), self.queue.check()?);
        Ok(RateLimit::new(name, state, queue))
    }
}
