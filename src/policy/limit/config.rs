use std::time::Duration;

use super::{
    AdaptiveLimit,
    algorithm::{Algorithm, Knee},
};
use crate::kernel::{
    Dependency, Invalid, Name,
    context::{CarriedDeadline, NoDeadline},
    waiting::LARGEST,
};

/// Builds an [`AdaptiveLimit`], or changes one: see [`AdaptiveLimit::configure`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`algorithm`](Self::algorithm) | [`Knee`] | |
/// | [`initial_limit`](Self::initial_limit) | 20 calls | 1 to 2,147,483,647 |
/// | [`min_limit`](Self::min_limit) | 2 calls | 1 to 2,147,483,647 |
/// | [`max_limit`](Self::max_limit) | 2,147,483,647 calls | at least `min_limit` |
/// | [`patience`](Self::patience) | 30 s | above 0 |
/// | [`deadline`](Self::deadline) | not looked at | |
/// | [`dependency`](Self::dependency) | none | |
///
/// ```
/// use std::time::Duration;
/// use cofferdam::limit::AdaptiveLimit;
///
/// let limit = AdaptiveLimit::builder("search").patience(Duration::from_millis(300)).build()?;
/// assert_eq!(limit.limit(), 20);
/// assert!(AdaptiveLimit::builder("search").min_limit(10).max_limit(5).build().is_err());
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<A = Knee, D = NoDeadline> {
    name: String,
    algorithm: A,
    deadline: D,
    dependency: Option<Dependency>,
    pub(super) settings: Settings,
}

/// What can be set while it runs, and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) initial_limit: usize,
    pub(super) min_limit: usize,
    pub(super) max_limit: usize,
    pub(super) patience: Duration,
}

impl Settings {
    /// A limit within the bounds.
    pub(super) fn keep(&self, limit: impl TryInto<usize>) -> u32 {
        let limit = limit.try_into().unwrap_or(usize::MAX).clamp(self.min_limit, self.max_limit);
        u32::try_from(limit).unwrap_or(LARGEST).min(LARGEST)
    }

    /// A probe takes no more than down to the smallest limit. From two it has to go down to one, or it would see nothing.
    pub(super) fn probe_floor(&self) -> u32 {
        if self.min_limit > 2 { self.keep(self.min_limit) } else { 1 }
    }

    pub(super) fn check(self) -> Result<Self, Invalid> {
        for (field, limit) in [("initial_limit", self.initial_limit), ("min_limit", self.min_limit)] {
            if limit == 0 || limit > LARGEST as usize {
                return Err(Invalid::new(field, limit, "1 to 2147483647"));
            }
        }
        if self.max_limit < self.min_limit || self.max_limit > LARGEST as usize {
            return Err(Invalid::new("max_limit", self.max_limit, "at least min_limit and at most 2147483647"));
        }
        Invalid::unless_duration("patience", self.patience)?;
        Ok(self)
    }
}

impl Builder {
    pub(super) fn new(name: String) -> Self {
        let settings = Settings {
            initial_limit: 20,
            min_limit: 2,
            max_limit: LARGEST as usize,
            patience: Duration::from_secs(30),
        };
        Self { name, algorithm: Knee::default(), deadline: NoDeadline, dependency: None, settings }
    }
}

impl<A, D> Builder<A, D> {
    pub(super) fn of(name: Name, algorithm: A, deadline: D, settings: Settings) -> Self {
        Self { name: name.to_string(), algorithm, deadline, dependency: None, settings }
    }

    /// Follows that algorithm.
    ///
    /// Default: [`Knee`].
    pub fn algorithm<B: Algorithm>(self, algorithm: B) -> Builder<B, D> {
        let Self { name, algorithm: _, deadline, dependency, settings } = self;
        Builder { name, algorithm, deadline, dependency, settings }
    }

    /// The limit before anything was measured.
    ///
    /// Default: 20. Range: 1 to 2,147,483,647; kept within the two bounds.
    pub fn initial_limit(mut self, calls: usize) -> Self {
        self.settings.initial_limit = calls;
        self
    }

    /// The limit does not go below that. With two, one call runs and the next is on its way.
    ///
    /// Default: 2. Range: 1 to 2,147,483,647.
    pub fn min_limit(mut self, calls: usize) -> Self {
        self.settings.min_limit = calls;
        self
    }

    /// The limit does not go above that.
    ///
    /// Default: 2,147,483,647. Range: from `min_limit` up to that.
    pub fn max_limit(mut self, calls: usize) -> Self {
        self.settings.max_limit = calls;
        self
    }

    /// How long callers wait for an answer. A call that takes seven tenths of that is late, and the limit is kept such that
    /// calls take no more than half of it.
    ///
    /// Say it if you know it, or let it be read from the requests: see [`deadline`](Self::deadline). A call that its caller
    /// gave up after a time that is long for this dependency counts as late anyhow.
    ///
    /// Default: 30 s. Range: above zero, at most 100 years.
    pub fn patience(mut self, time: Duration) -> Self {
        self.settings.patience = time;
        self
    }

    /// Reads from the deadlines of requests how long callers wait: see [`Context`](crate::Context). Requests without one are
    /// taken to wait for the [`patience`](Self::patience).
    pub fn deadline(self) -> Builder<A, CarriedDeadline> {
        let Self { name, algorithm, deadline: _, dependency, settings } = self;
        Builder { name, algorithm, deadline: CarriedDeadline, dependency, settings }
    }

    pub(super) fn check(self) -> Result<Settings, Invalid> {
        self.settings.check()
    }
}

impl<A: Algorithm, D> Builder<A, D> {
    /// States there that the dependency is under pressure: for a second after the limit was reached, or cut. See
    /// [`dependency`](crate::dependency).
    ///
    /// Default: nowhere.
    pub fn dependency(mut self, dependency: &Dependency) -> Self {
        self.dependency = Some(dependency.clone());
        self
    }

    /// Builds the limit.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<AdaptiveLimit<A, D>, Invalid> {
        let name = Name::new(&self.name)?;
        let settings = self.settings.check()?;
        Ok(AdaptiveLimit::new(name, self.algorithm, self.deadline, settings, self.dependency.as_ref()))
    }
}
