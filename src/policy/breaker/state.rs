//! The breaker as a pure state machine: it is told the time, and reads no clock, takes no lock and counts no window.

use std::time::Duration;

use super::{config::Settings, live::sample};
use crate::kernel::{Ended, Instant, Outcome, window::Sample};

/// What a circuit breaker is doing.
///
/// ```
/// use cofferdam::{BreakerState, CircuitBreaker};
///
/// let breaker = CircuitBreaker::builder("payments").build()?;
/// assert_eq!(breaker.state(), BreakerState::Closed);
/// breaker.force_open();
/// assert_eq!(breaker.state(), BreakerState::ForcedOpen);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Calls flow, and are counted.
    Closed,
    /// Calls are rejected. It turns half-open with the first call after the open time.
    Open,
    /// A few calls are let through to find out whether it can close.
    HalfOpen,
    /// Calls are rejected until it is reset.
    ForcedOpen,
    /// Calls flow, whatever happens, until it is reset. Nothing is counted.
    ForcedClosed,
    /// As if there were no breaker, until it is reset. Calls are still counted.
    Disabled,
}

impl State {
    /// The state in a word: `closed`, `open`, `half-open`, `forced-open`, `forced-closed`, `disabled`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::ForcedOpen => "forced-open",
            Self::ForcedClosed => "forced-closed",
            Self::Disabled => "disabled",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Each state with the data that only it has.
#[derive(Debug)]
enum Phase {
    /// Ramping for so long at most, whatever the settings become: what is over does not begin again.
    Closed {
        since: Instant,
        ramping: Option<Duration>,
    },
    Open {
        until: Instant,
    },
    HalfOpen(Box<Trial>),
    Forced(State),
}

/// A half-open period: what its probes said, and which of them are still out.
///
/// It keeps the settings that it began with, so that every probe is judged by the same rule.
#[derive(Debug)]
struct Trial {
    settings: Settings,
    succeeded: u32,
    failed: u32,
    /// Probes that came back without having been there, up to as many as there are.
    ignored: u32,
    leases: Vec<Lease>,
    /// When the last lease ends that was given.
    until: Instant,
}

#[derive(Debug)]
struct Lease {
    probe: u32,
    since: Instant,
    until: Instant,
}

/// What an admission has to do, in terms that can be decided without a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Let through, and count the end.
    Flow,
    /// Let through a growing share between the two moments, and count the end.
    Ramp { from: Instant, until: Instant },
    /// Let through, count the end, and draw no conclusion.
    Watch,
    /// Let through.
    Pass,
    /// Reject until then, and ask the machine after.
    Open { until: Instant },
    /// All probes are out: reject until then, and ask the machine after.
    Probing { until: Instant },
    /// Ask the machine.
    Ask,
    /// Reject.
    Barred,
}

/// What the dependency and chance have to say about how long to stay open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hint {
    /// The dependency asked to be left alone until then.
    pub(super) asked_until: Instant,
    /// A random number from 0 to 1.
    pub(super) chance: f64,
}

#[derive(Debug)]
pub(super) struct Machine {
    phase: Phase,
    /// Changes with every phase, so that ends of calls from before are told apart.
    generation: u64,
    /// Openings of one and the same outage.
    openings: u32,
    /// The last probe sent: 1 to [`LAST_PROBE`], and then from the beginning.
    probes: u32,
}

/// Opening again sooner than this after closing, a breaker is still in the same outage.
const STABLE: Duration = Duration::from_secs(10);

/// By which share the first open time of an outage may be shorter, if there is to be any jitter.
const FIRST_JITTER: f64 = 0.5;

/// So that a probe's number fits into a token. There are never that many out at once.
const LAST_PROBE: u32 = (1 << 21) - 1;

impl Machine {
    pub(super) fn new() -> Self {
        let phase = Phase::Closed { since: Instant::ORIGIN, ramping: None };
        Self { phase, generation: 0, openings: 0, probes: 0 }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen(_) => State::HalfOpen,
            Phase::Forced(state) => state,
        }
    }

    pub(super) fn gate(&self, settings: &Settings) -> Gate {
        match &self.phase {
            Phase::Closed { since, ramping } => match settings.shorter_ramp(*ramping) {
                Some(ramp) => Gate::Ramp { from: *since, until: since.after(ramp) },
                None => Gate::Flow,
            },
            Phase::Open { until } => Gate::Open { until: *until },
            Phase::HalfOpen(trial) if trial.has_room() => Gate::Ask,
            Phase::HalfOpen(trial) => Gate::Probing { until: trial.next_lease_end() },
            Phase::Forced(State::ForcedOpen) => Gate::Barred,
            Phase::Forced(State::ForcedClosed) => Gate::Pass,
            Phase::Forced(_) => Gate::Watch,
        }
    }

    /// Until when others may take it for not closed, unless they hear of it again; before any time if it is closed. An open
    /// one that nobody calls any more has nothing to say after the time that a probe could have taken.
    pub(super) fn not_closed_until(&self, settings: &Settings) -> Instant {
        match &self.phase {
            Phase::Open { until } => until.after(settings.probe_lease),
            Phase::HalfOpen(trial) => trial.until,
            Phase::Forced(State::ForcedOpen) => Instant::NEVER,
            Phase::Closed { .. } | Phase::Forced(_) => Instant::ORIGIN,
        }
    }

    /// Until when load comes back by degrees.
    pub(super) fn ramps_until(&self, settings: &Settings) -> Instant {
        match &self.phase {
            Phase::Closed { since, ramping } => {
                settings.shorter_ramp(*ramping).map_or(Instant::ORIGIN, |ramp| since.after(ramp))
            }
            _ => Instant::ORIGIN,
        }
    }

    /// Open => (Open | HalfOpen). Hands out a probe if the open time is over and one is left.
    pub(super) fn probe(&mut self, settings: &Settings, now: Instant) -> Option<u32> {
        if let Phase::Open { until } = self.phase
            && until <= now
        {
            self.enter(Phase::HalfOpen(Box::new(Trial::new(*settings))));
        }
        let Phase::HalfOpen(trial) = &mut self.phase else { return None };
        trial.leases.retain(|lease| now < lease.until);
        if !trial.has_room() {
            return None;
        }
        self.probes = self.probes % LAST_PROBE + 1;
        let until = now.after(trial.settings.probe_lease);
        trial.leases.push(Lease { probe: self.probes, since: now, until });
        trial.until = trial.until.max(until);
        Some(self.probes)
    }

    /// HalfOpen => (HalfOpen | Open | Closed). A probe ended: `None` if it was never made. One whose place was taken back
    /// decides nothing. Returns whether this closed the breaker.
    pub(super) fn probed(
        &mut self,
        probe: u32,
        ended: Option<&Ended>,
        settings: &Settings,
        hint: Hint,
        now: Instant,
    ) -> bool {
        let Phase::HalfOpen(trial) = &mut self.phase else { return false };
        let Some(place) = trial.leases.iter().position(|lease| lease.probe == probe) else { return false };
        // Another thread may have been told a later time.
        let since = trial.leases.swap_remove(place).since.min(now);
        match ended.and_then(|ended| sample(ended, trial.settings.overloads, trial.settings.slow_after())) {
            Some(Sample { failed: false, slow: false }) => trial.succeeded += 1,
            Some(_) => trial.failed += 1,
            None if ended.is_some_and(|ended| ended.outcome == Outcome::Ignored) => {
                trial.ignored = (trial.ignored + 1).min(trial.settings.probes)
            }
            None => {}
        }
        match trial.verdict() {
            Some(Verdict::Fit) => {
                self.enter(Phase::Closed { since: now, ramping: settings.ramp });
                return true;
            }
            Some(Verdict::Unfit) => self.open(settings, hint, since, now),
            None => {}
        }
        false
    }

    /// Closed => Open. The window has reached a threshold.
    pub(super) fn trip(&mut self, settings: &Settings, hint: Hint, now: Instant) {
        if let Phase::Closed { since, .. } = self.phase {
            if now.since(since) >= STABLE {
                self.openings = 0;
            }
            self.open(settings, hint, now, now);
        }
    }

    /// Closed => Closed. All calls flow again once the ramp is over.
    pub(super) fn end_ramp(&mut self, settings: &Settings, now: Instant) {
        if let Phase::Closed { since, ramping } = &mut self.phase
            && now.since(*since) >= settings.shorter_ramp(*ramping).unwrap_or_default()
        {
            *ramping = None;
        }
    }

    /// Any => ForcedOpen, ForcedClosed or Disabled. Stays so until [`reset`](Self::reset).
    pub(super) fn force(&mut self, state: State) {
        self.enter(Phase::Forced(state));
    }

    /// Any => Closed, as if nothing had ever happened.
    pub(super) fn reset(&mut self, now: Instant) {
        self.openings = 0;
        self.enter(Phase::Closed { since: now, ramping: None });
    }

    /// The open time counts from `since`: what a probe was waited for is time in which nothing else was sent.
    fn open(&mut self, settings: &Settings, hint: Hint, since: Instant, now: Instant) {
        let asked = hint.asked_until.min(now.after(settings.open_time_max));
        let until = since.after(settings.nth_open_time(self.openings, hint.chance)).max(asked);
        self.openings = self.openings.saturating_add(1);
        self.enter(Phase::Open { until });
    }

    fn enter(&mut self, phase: Phase) {
        self.generation += 1;
        self.phase = phase;
    }
}

enum Verdict {
    Fit,
    Unfit,
}

impl Trial {
    fn new(settings: Settings) -> Self {
        Self { settings, succeeded: 0, failed: 0, ignored: 0, leases: Vec::new(), until: Instant::ORIGIN }
    }

    fn has_room(&self) -> bool {
        let out = u32::try_from(self.leases.len()).unwrap_or(u32::MAX);
        // The first goes alone: as long as the dependency is down, one call must do to find that out. But if one was turned away
        // further in, that may have been by this very breaker, put around a call twice: then it takes two places to get through.
        let is_first_out = self.succeeded == 0 && out > self.ignored;
        !is_first_out && out.saturating_add(self.succeeded + self.failed) < self.settings.probes
    }

    /// When the oldest probe must be given up.
    fn next_lease_end(&self) -> Instant {
        self.leases.iter().map(|lease| lease.until).min().unwrap_or(Instant::ORIGIN)
    }

    /// The verdict that the probes still out cannot change: failures that are enough already, or that even with all the
    /// rest would not be. One that fails before any succeeded is enough.
    fn verdict(&self) -> Option<Verdict> {
        let (all, ratio) = (self.settings.probes.into(), self.settings.probe_failure_ratio);
        if self.failed > 0 && self.succeeded == 0 || ratio.is_reached(self.failed.into(), all) {
            Some(Verdict::Unfit)
        } else if !ratio.is_reached(all - u64::from(self.succeeded), all) {
            Some(Verdict::Fit)
        } else {
            None
        }
    }
}

impl Settings {
    /// A ramp that began with that length, or not at all, as it is by these settings.
    fn shorter_ramp(&self, begun: Option<Duration>) -> Option<Duration> {
        Some(self.ramp?.min(begun?))
    }

    /// The open time after so many openings before it: `open_time * growth^n`, capped, then shortened by the jitter. It begins
    /// to grow when all before it together are so long that it would be less than `growth - 1` of them. The first may be half
    /// as long: all clients see an outage begin in the same moment, and go on from there each at its own pace.
    fn nth_open_time(&self, openings: u32, chance: f64) -> Duration {
        let steady = (1.0 / (self.open_time_growth - 1.0)) as u32;
        let exponent = openings.saturating_add(1).saturating_sub(steady).min(openings);
        let exponent = i32::try_from(exponent).unwrap_or(i32::MAX);
        let grown = self.open_time.as_secs_f64() * self.open_time_growth.powi(exponent);
        let capped = grown.min(self.open_time_max.as_secs_f64());
        let jitter = match self.open_time_jitter.get() {
            jitter if openings == 0 && jitter > 0.0 => jitter.max(FIRST_JITTER),
            jitter => jitter,
        };
        Duration::from_secs_f64(capped * (1.0 - jitter * chance))
    }
}
