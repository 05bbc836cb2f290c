//! The throttle as a pure state machine: it is told the time and what has happened, and reads no clock and takes no lock.

use std::time::Duration;

use super::config::Settings;
use crate::kernel::{Instant, context::Rank};

/// What an adaptive throttle is doing.
///
/// ```
/// use cofferdam::{AdaptiveThrottle, ThrottleState};
///
/// let throttle = AdaptiveThrottle::builder("search").build()?;
/// assert_eq!(throttle.state(), ThrottleState::Calm);
/// assert_eq!(throttle.state().as_str(), "calm");
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// There was no overload lately: all calls are sent, and nothing is counted.
    Calm,
    /// There was: calls are counted, and those are cut that the server would not take.
    Pressed,
}

impl State {
    /// The state in a word: `calm`, `pressed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Pressed => "pressed",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a pressed throttle has counted. Calls count less the longer ago they were: see
/// [`time_constant`](super::Builder::time_constant).
///
/// ```
/// use cofferdam::AdaptiveThrottle;
///
/// let throttle = AdaptiveThrottle::builder("search").build()?;
/// let load = throttle.load();
/// assert_eq!((load.demand, load.accepted), (0.0, 0.0));
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Load {
    /// Calls that were asked for, sent or not.
    pub demand: f64,
    /// Calls that were sent, and of which nobody said that the server did not take them.
    pub accepted: f64,
}

/// Where the cut is: ranks above it are sent, those below are not, and of its own that share is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Margin {
    pub(super) rank: usize,
    pub(super) share: f64,
}

impl Margin {
    /// Everything is sent.
    pub(super) const OPEN: Self = Self { rank: 0, share: 1.0 };
}

/// What has come and gone since the meter was last told. Each may be negative, where more was taken back than came.
#[derive(Debug)]
pub(super) struct News {
    pub(super) demand: [f64; Rank::COUNT],
    pub(super) accepted: f64,
}

/// Demand and acceptance, fading.
#[derive(Debug)]
pub(super) struct Meter {
    /// Up to when they have faded.
    at: Instant,
    demand: [f64; Rank::COUNT],
    accepted: f64,
    /// For so long, all that is sent counts as taken, whatever is said of it.
    trust: Duration,
}

impl Meter {
    /// Knows nothing, and trusts the server for so long.
    pub(super) fn new(now: Instant, trust: Duration) -> Self {
        Self { at: now, demand: [0.0; Rank::COUNT], accepted: 0.0, trust }
    }

    /// Counts the news, and lets all fade up to `now`: the news too, as they may be as old as the last step.
    pub(super) fn step(&mut self, news: &News, settings: &Settings, now: Instant) {
        let passed = now.since(self.at);
        let fade = settings.weight(passed);
        // Going back with the clock, so that time goes on when the clock does.
        self.at = now;
        for (demand, new) in self.demand.iter_mut().zip(&news.demand) {
            *demand = (*demand + new).max(0.0) * fade;
        }
        self.accepted = (self.accepted + news.accepted).max(0.0) * fade;
        if !self.trust.is_zero() {
            self.accepted = self.accepted.max(self.demand.iter().sum());
            self.trust = self.trust.saturating_sub(passed);
        }
    }

    pub(super) fn load(&self) -> Load {
        Load { demand: self.demand.iter().sum(), accepted: self.accepted }
    }

    /// Where what may be sent ends, going down from the highest rank: the rule of the SRE book, or the share that is sent in
    /// any case if that is more.
    pub(super) fn margin(&self, settings: &Settings, good: u32) -> Margin {
        let Load { demand, accepted } = self.load();
        let aggression = settings.after_good(good);
        let most = (aggression * (accepted + 1.0) + 1.0).max((1.0 - settings.cap) * demand);
        let mut above = 0.0;
        for (rank, own) in self.demand.iter().enumerate().rev() {
            if above + own > most {
                return Margin { rank, share: ((most - above) / own).clamp(0.0, 1.0) };
            }
            above += own;
        }
        Margin::OPEN
    }
}

/// After so many time constants in which no answer was good, the next good one says that an outage is over.
pub(super) const OUTAGE: u32 = 4;

/// The keenness doubles so many times at most.
pub(super) const KEENEST: u32 = 4;

impl Settings {
    /// How much more is sent than is taken, after so many good answers in a row: twice as much with each time that as many
    /// have come as it takes to be keen.
    fn after_good(&self, good: u32) -> f64 {
        match good / self.keen_after {
            0 => self.aggression,
            times => self.keen_aggression * f64::from(1 << (times - 1).min(KEENEST)),
        }
    }

    /// What a call of that age counts.
    pub(super) fn weight(&self, age: Duration) -> f64 {
        weight(age, self.time_constant)
    }

    /// How long there must be no overload before it is calm.
    pub(super) fn quiet(&self) -> Duration {
        self.time_constant.saturating_mul(8)
    }

    /// How often the margin is found anew.
    pub(super) fn step(&self) -> Duration {
        self.time_constant / 128
    }
}

/// What a call of that age counts, if it fades with that constant.
pub(super) fn weight(age: Duration, time_constant: Duration) -> f64 {
    (-age.as_secs_f64() / time_constant.as_secs_f64()).exp()
}
