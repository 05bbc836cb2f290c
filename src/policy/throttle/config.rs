use std::time::Duration;

use super::AdaptiveThrottle;
use crate::kernel::{Dependency, Invalid, Name, context::CarriedRank};

/// Builds an [`AdaptiveThrottle`], or changes one: see [`AdaptiveThrottle::configure`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`aggression`](Self::aggression) | 1.25 | 1 to 100 |
/// | [`keen_aggression`](Self::keen_aggression) | 2 | at least `aggression`, at most 100 |
/// | [`keen_after`](Self::keen_after) | 6 good answers | at least 1 |
/// | [`cap`](Self::cap) | 0.95 of the calls | above 0, at most 0.999 |
/// | [`time_constant`](Self::time_constant) | 500 ms | 10 ms to 100 years |
/// | [`coin`](Self::coin) | no | |
/// | [`rank`](Self::rank) | what the request carries | |
/// | [`dependency`](Self::dependency) | none | |
///
/// ```
/// use std::time::Duration;
/// use cofferdam::AdaptiveThrottle;
///
/// let throttle = AdaptiveThrottle::builder("search").aggression(1.5).time_constant(Duration::from_secs(1)).build()?;
///
/// let invalid = AdaptiveThrottle::builder("search").cap(1.0).build().unwrap_err();
/// assert_eq!(invalid.to_string(), "`cap` cannot be 1: it must be above 0, at most 0.999");
/// # let _ = throttle; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<R = CarriedRank> {
    name: String,
    pub(super) settings: Settings,
    ranks: R,
    dependency: Option<Dependency>,
}

/// The settings: as they were given in a builder, and checked in a throttle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) aggression: f64,
    pub(super) keen_aggression: f64,
    pub(super) keen_after: u32,
    pub(super) cap: f64,
    pub(super) time_constant: Duration,
    pub(super) coin: Choice,
}

/// Who is cut, as a word for operators too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    ByRank,
    ByCoin,
}

impl Builder {
    pub(super) fn new(name: String) -> Self {
        let settings = Settings {
            aggression: 1.25,
            keen_aggression: 2.0,
            keen_after: 6,
            cap: 0.95,
            time_constant: Duration::from_millis(500),
            coin: Choice::ByRank,
        };
        Self { name, settings, ranks: CarriedRank, dependency: None }
    }
}

impl<R> Builder<R> {
    /// A builder that holds what a throttle is set to.
    pub(super) fn of(name: Name, settings: Settings, ranks: R) -> Self {
        Self { name: name.to_string(), settings, ranks, dependency: None }
    }

    /// How much is sent, as a multiple of what the server takes: `K` in the formula. What is sent beyond that finds out whether
    /// it takes more by now, and costs it as many rejections.
    ///
    /// Default: 1.25. Range: 1 to 100. Below one it would send less and less.
    pub fn aggression(mut self, factor: f64) -> Self {
        self.settings.aggression = factor;
        self
    }

    /// The same while the last answers were all good, so that calls come back fast after an outage.
    ///
    /// Default: 2. Range: at least [`aggression`](Self::aggression), at most 100.
    pub fn keen_aggression(mut self, factor: f64) -> Self {
        self.settings.keen_aggression = factor;
        self
    }

    /// After how many good answers without an overload in between [`keen_aggression`](Self::keen_aggression) holds. After twice as
    /// many it holds twice, and so on, up to five times.
    ///
    /// Default: 6. Range: at least 1.
    pub fn keen_after(mut self, answers: u32) -> Self {
        self.settings.keen_after = answers;
        self
    }

    /// The largest share of what is asked for that it ever rejects. The rest is sent whatever the server says: without it, nobody
    /// would notice that an outage is over.
    ///
    /// Default: 0.95. Range: above 0, at most 0.999.
    pub fn cap(mut self, share: f64) -> Self {
        self.settings.cap = share;
        self
    }

    /// How fast it forgets: after that time, a call counts 0.37. A shorter one follows a server faster and is
    /// less sure of what it sees.
    ///
    /// Default: 500 ms. Range: 10 ms to 100 years.
    pub fn time_constant(mut self, time: Duration) -> Self {
        self.settings.time_constant = time;
        self
    }

    /// Lets chance decide who is cut, all ranks alike, as in the SRE book. For calls of which none matters more than another.
    ///
    /// Default: no; the lowest ranks are cut.
    pub fn coin(mut self, coin: bool) -> Self {
        self.settings.coin = if coin { Choice::ByCoin } else { Choice::ByRank };
        self
    }

    /// How to tell the rank of a request: a function of it, or a [`RankSource`](crate::context::RankSource). It is asked only while
    /// the throttle is pressed.
    ///
    /// Default: the rank is what the request carries, which it must then be able to: see [`Context`](crate::Context).
    ///
    /// ```
    /// use cofferdam::{AdaptiveThrottle, Criticality, TaskKey, context::Rank};
    ///
    /// let by_order = |order: &u64| Rank::of(Criticality::Critical, Some(TaskKey::from_bits(*order)));
    /// let throttle = AdaptiveThrottle::builder("search").rank(by_order).build()?;
    /// # let _ = throttle; Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn rank<S>(self, source: S) -> Builder<S> {
        Builder { name: self.name, settings: self.settings, ranks: source, dependency: self.dependency }
    }

    /// States there that the dependency is under pressure, as long as the throttle is pressed. See
    /// [`dependency`](crate::dependency). It is said before the throttle is built; a change of its settings does not change it.
    ///
    /// Default: nowhere.
    pub fn dependency(mut self, dependency: &Dependency) -> Self {
        self.dependency = Some(dependency.clone());
        self
    }

    /// Builds the throttle, calm.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<AdaptiveThrottle<R>, Invalid> {
        let settings = self.settings.check()?;
        Ok(AdaptiveThrottle::new(Name::new(&self.name)?, settings, self.ranks, self.dependency.as_ref()))
    }
}

impl Settings {
    /// Not a number is in no range.
    pub(super) fn check(self) -> Result<Self, Invalid> {
        if !(1.0..=MOST).contains(&self.aggression) {
            return Err(Invalid::new("aggression", self.aggression, "1 to 100"));
        }
        if !(self.aggression..=MOST).contains(&self.keen_aggression) {
            return Err(Invalid::new("keen_aggression", self.keen_aggression, "at least `aggression`, at most 100"));
        }
        if self.keen_after == 0 {
            return Err(Invalid::new("keen_after", self.keen_after, "at least 1"));
        }
        if self.cap.is_nan() || self.cap <= 0.0 || self.cap > LARGEST_CAP {
            return Err(Invalid::new("cap", self.cap, "above 0, at most 0.999"));
        }
        let time = self.time_constant;
        if time < SHORTEST || Invalid::unless_duration("time_constant", time).is_err() {
            return Err(Invalid::new("time_constant", crate::kernel::written::Written(time), "10 ms to 100 years"));
        }
        Ok(self)
    }
}

/// A client that sends a hundred times what is taken throttles nothing.
const MOST: f64 = 100.0;

/// One call in a thousand is little enough for any server.
const LARGEST_CAP: f64 = 0.999;

/// The clock ticks no finer than that everywhere.
const SHORTEST: Duration = Duration::from_millis(10);
