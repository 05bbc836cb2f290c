use std::time::Duration;

use super::{config::Settings, crowd::Crowd, learner::Learner, usual::Usual};
use crate::kernel::{
    Dependency, GivenUp, Instant, Invalid, Outcome, Reading,
    attempts::Common,
    clock::nanos,
    dependency::Report,
    sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering::Relaxed, lock},
};

/// What all calls of a hedge share.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) common: Common,
    pub(super) learner: Learner,
    pub(super) crowd: Crowd,
    usual: Usual,
    /// What is known of the dependency: by others, if they share it.
    report: Report,
    /// Nanoseconds; zero if the delay is learned.
    fixed: AtomicU64,
    extra: AtomicU32,
    off: AtomicBool,
    sent: AtomicU64,
    won: AtomicU64,
    settings: Mutex<Settings>,
}

/// How many extra attempts a hedge has made, and what came of them.
///
/// ```
/// use cofferdam::Hedge;
///
/// let layer = Hedge::builder("search").build()?;
/// assert_eq!((layer.counts().sent, layer.counts().won), (0, 0));
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Attempts that were sent besides the originals.
    pub sent: u64,
    /// Those of them that had the answer.
    pub won: u64,
}

impl Plan {
    pub(super) fn new(common: Common, settings: Settings) -> Result<Self, Invalid> {
        let Settings { share, shortest, longest, .. } = settings;
        let own = || Dependency::builder(common.name.to_string()).budget(common.budget.clone()).build();
        let dependency = common.dependency.clone().map_or_else(own, Ok)?;
        let plan = Self {
            common,
            report: dependency.report(),
            learner: Learner::new(share, shortest, longest)?,
            crowd: Crowd::default(),
            usual: Usual::default(),
            fixed: AtomicU64::new(0),
            extra: AtomicU32::new(0),
            off: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            won: AtomicU64::new(0),
            settings: Mutex::new(settings),
        };
        plan.set(settings)?;
        Ok(plan)
    }

    pub(super) fn settings(&self) -> Settings {
        *lock(&self.settings)
    }

    pub(super) fn set(&self, settings: Settings) -> Result<(), Invalid> {
        settings.check()?;
        let mut kept = lock(&self.settings);
        self.learner.set(settings.share, settings.shortest, settings.longest)?;
        self.fixed.store(settings.fixed.map_or(0, nanos), Relaxed);
        self.extra.store(settings.extra, Relaxed);
        *kept = settings;
        Ok(())
    }

    /// How old an attempt gets before the next is sent.
    pub(super) fn delay(&self) -> Option<Duration> {
        match self.fixed.load(Relaxed) {
            0 => self.learner.delay(),
            fixed => Some(Duration::from_nanos(fixed)),
        }
    }

    pub(super) fn is_learning(&self) -> bool {
        self.fixed.load(Relaxed) == 0
    }

    pub(super) fn extra(&self) -> u32 {
        self.extra.load(Relaxed)
    }

    pub(super) fn switch(&self, off: bool) {
        self.off.store(off, Relaxed);
    }

    pub(super) fn is_off(&self) -> bool {
        self.off.load(Relaxed)
    }

    /// Why no call is hedged at this time, if none is. While all is well it costs a few loads and no look at the clock.
    #[inline]
    pub(super) fn suspended(&self) -> Option<GivenUp> {
        if self.is_off() {
            return Some(GivenUp::Off);
        }
        if let Some(fact) = self.report.dependency().trouble() {
            return Some(fact.into());
        }
        self.common.budget.is_failing().then_some(GivenUp::Failing)
    }

    /// Why a hedge that is due is not sent, as far as all calls have that in common.
    pub(super) fn why_none(&self, now: Instant) -> Option<GivenUp> {
        match self.suspended() {
            Some(why) => Some(why),
            None if self.is_learning() && !self.learner.is_sure() => Some(GivenUp::Learning),
            None if self.crowd.is_dense(now) => Some(GivenUp::Crowded),
            None => self.is_slow(now).then_some(GivenUp::Slow),
        }
    }

    /// Whether the delay that was learned is far above what is usual.
    fn is_slow(&self, now: Instant) -> bool {
        let is_settled = self.is_learning() && self.learner.is_settled();
        is_settled && self.delay().is_some_and(|delay| self.usual.is_far_below(delay, now))
    }

    /// Forgets what calls usually take.
    pub(super) fn reset(&self) {
        self.learner.reset();
        self.usual.forget();
    }

    /// Tells the dependency if an answer said "not now", and the budget what became of an attempt, unless a retry around this
    /// does: it sees the same calls.
    #[inline]
    pub(super) fn tell(&self, reading: &Reading, now: Instant) {
        if reading.outcome == Outcome::Overload {
            self.report.feel_pressure(now);
        }
        let budget = &self.common.budget;
        match reading.outcome {
            Outcome::Ignored | Outcome::Abandoned => {}
            _ if budget.is_told() => {}
            Outcome::Success => budget.succeeded_at(now),
            Outcome::Failure | Outcome::Overload => budget.failed(),
        }
    }

    pub(super) fn count_sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    pub(super) fn count_won(&self) {
        self.won.fetch_add(1, Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { sent: self.sent.load(Relaxed), won: self.won.load(Relaxed) }
    }
}
