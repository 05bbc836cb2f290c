use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{Counts, Hedge, plan::Plan, slots::MOST};
use crate::kernel::{
    Budget, Invalid, Name, Plain, attempts,
    attempts::{Cloned, How, Said},
    context::NoDeadline,
};

/// Builds a [`Hedge`] layer, or changes one: see [`HedgeLayer::configure`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`extra`](Self::extra) attempts | 2 | 1 to 2 |
/// | [`fixed_delay`](Self::fixed_delay) | none: it is learned | none, or above zero |
/// | [`share`](Self::share) | 0.02 of the calls | 0.001 to 0.5 |
/// | [`shortest_delay`](Self::shortest_delay) | 1 ms | above zero |
/// | [`longest_delay`](Self::longest_delay) | 10 s | at least `shortest_delay` |
/// | [`budget`](Self::budget) | the dependency's, or one of its own | |
/// | [`dependency`](Self::dependency) | none | |
/// | [`idempotent`](Self::idempotent) | every request | |
/// | [`context`](Self::context) | not looked at | |
///
/// ```
/// use std::time::Duration;
/// use cofferdam::Hedge;
///
/// let layer = Hedge::builder("search").extra(1).longest_delay(Duration::from_secs(1)).build()?;
/// assert_eq!(layer.delay(), None);
///
/// let invalid = Hedge::builder("search").extra(3).build().unwrap_err();
/// assert_eq!(invalid.to_string(), "`extra` cannot be 3: it must be 1 to 2");
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
pub type Builder<R = Cloned, D = NoDeadline, M = Plain> = attempts::Builder<Settings, R, D, M>;

/// What only a [`Hedge`] is set to.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub(super) extra: u32,
    pub(super) fixed: Option<Duration>,
    pub(super) share: f64,
    pub(super) shortest: Duration,
    pub(super) longest: Duration,
}

impl Settings {
    pub(super) fn new() -> Self {
        Self {
            extra: MOST as u32,
            fixed: None,
            share: 0.02,
            shortest: Duration::from_millis(1),
            longest: Duration::from_secs(10),
        }
    }

    /// The rest is the learner's to check.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        if !(1..=MOST as u32).contains(&self.extra) {
            return Err(Invalid::new("extra", self.extra, "1 to 2"));
        }
        self.fixed.map_or(Ok(()), |fixed| Invalid::unless_duration("fixed_delay", fixed).map(drop))
    }
}

impl<R, D, M> Builder<R, D, M> {
    /// How many attempts are made at most besides the original. Default: 2. Range: 1 to 2.
    ///
    /// Whatever it is, the future has room for three attempts.
    pub fn extra(mut self, attempts: u32) -> Self {
        self.own.extra = attempts;
        self
    }

    /// Sends the next attempt after that time, whatever calls usually take, and from the first call on. Default: none, the
    /// delay is learned. Range: above zero, at most 100 years.
    pub fn fixed_delay(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.own.fixed = delay.into();
        self
    }

    /// About such a share of the calls reach the delay that is learned; a little more where hedges win, and less where they
    /// do not. See [`Learner`](super::Learner). Default: 0.02. Range: 0.001 to 0.5.
    pub fn share(mut self, share: f64) -> Self {
        self.own.share = share;
        self
    }

    /// The delay that is learned is never shorter. Default: 1 ms, as timers tell no finer time. Range: above zero, at most
    /// 100 years.
    pub fn shortest_delay(mut self, delay: Duration) -> Self {
        self.own.shortest = delay;
        self
    }

    /// The delay that is learned is never longer: no longer than a call may take, or it has no meaning. Default: 10 s. Range:
    /// from `shortest_delay` to 100 years.
    pub fn longest_delay(mut self, delay: Duration) -> Self {
        self.own.longest = delay;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<HedgeLayer<R, D, M>, Invalid> {
        let Said { common, own, how } = self.finish(0.05)?;
        Ok(HedgeLayer { plan: Arc::new(Plan::new(common, own)?), how })
    }
}

/// The layer of [`Hedge`], and the handle to all that was made with it: clones share everything.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Control, Hedge};
///
/// let layer = Hedge::builder("search").build()?;
/// assert_eq!(layer.state(), "learning");
/// layer.configure(|settings| settings.fixed_delay(Duration::from_millis(20)))?;
/// assert_eq!(layer.delay(), Some(Duration::from_millis(20)));
/// layer.suspend();
/// assert_eq!(layer.state(), "suspended");
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct HedgeLayer<R = Cloned, D = NoDeadline, M = Plain> {
    pub(super) plan: Arc<Plan>,
    how: How<R, D, M>,
}

impl<R, D, M> HedgeLayer<R, D, M> {
    /// The name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.plan.common.name
    }

    /// What extra attempts are paid from.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.plan.common.budget
    }

    /// How old an attempt gets at this time before the next is sent. None while nothing is known.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.plan.delay()
    }

    /// How many attempts were sent besides the originals, and how many of them won.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.plan.counts()
    }

    /// How many calls wait for an answer.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.plan.crowd.in_flight()
    }

    /// Sends no extra attempts until [`resume`](Self::resume). Those in flight go on, and nothing is learned.
    pub fn suspend(&self) {
        self.plan.switch(true);
    }

    /// Sends extra attempts again.
    pub fn resume(&self) {
        self.plan.switch(false);
    }

    /// Forgets what calls usually take, as after a move to another machine.
    pub fn reset(&self) {
        self.plan.reset();
    }

    /// Changes settings while it runs. What was learned is kept, within the new bounds; calls in flight go by the new ones.
    ///
    /// # Errors
    ///
    /// [`Invalid`]; nothing is changed then.
    ///
    /// ```
    /// use cofferdam::Hedge;
    ///
    /// let layer = Hedge::builder("search").build()?;
    /// layer.configure(|settings| settings.extra(1))?;
    /// assert!(layer.configure(|settings| settings.share(0.0)).is_err());
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn configure(&self, change: impl FnOnce(Builder<(), (), ()>) -> Builder<(), (), ()>) -> Result<(), Invalid> {
        self.plan.set(change(self.settings()).own)
    }

    /// What it is set to.
    pub(super) fn settings(&self) -> Builder<(), (), ()> {
        Builder::of(self.name(), self.plan.settings())
    }
}

impl<S, R: Clone, D: Clone, M: Clone> Layer<S> for HedgeLayer<R, D, M> {
    type Service = Hedge<S, R, D, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Hedge::new(inner, Arc::clone(&self.plan), self.how.clone())
    }
}
