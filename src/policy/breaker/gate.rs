//! What the machine says, published so that a call can be decided about without asking it.

use super::state::Gate;
use crate::kernel::{
    Instant,
    sync::{AtomicU64, Ordering},
};

/// What an admission by a breaker is remembered by: the generation it belongs to, and which probe it is, if it is one.
///
/// A gate has a kind where a token has none, and a token has a probe where a gate has none. So the two are the same word
/// for a call that is no probe, as long as calls flow in its generation, and never otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(u64);

impl Token {
    /// What is left of an admission once a lasting answer has settled it: of no generation, so that its end is that of a call from
    /// another state.
    pub(super) const SETTLED: Self = Self(u64::MAX);

    pub(super) fn new(generation: u64, probe: Option<u32>) -> Self {
        Self(generation << LOW_BITS | u64::from(probe.unwrap_or(0)) << kind::BITS)
    }

    pub(super) fn probe(self) -> Option<u32> {
        let probe = (self.0 & LOW) as u32 >> kind::BITS;
        (probe != 0).then_some(probe)
    }
}

/// What lies below the generation in a gate or a token.
const LOW_BITS: u32 = 24;
const LOW: u64 = (1 << LOW_BITS) - 1;

/// [`Gate`] as the lowest bits of a word.
pub(super) mod kind {
    pub(in super::super) const FLOW: u64 = 0;
    pub(in super::super) const WATCH: u64 = 1;
    pub(in super::super) const PASS: u64 = 2;
    pub(in super::super) const RAMP: u64 = 3;
    pub(in super::super) const OPEN: u64 = 4;
    pub(in super::super) const PROBING: u64 = 5;
    pub(in super::super) const ASK: u64 = 6;
    pub(in super::super) const BARRED: u64 = 7;
    pub(super) const BITS: u32 = 3;
}

/// A gate as it was read: a generation, and a kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sign(u64);

impl Sign {
    #[inline]
    pub(super) fn kind(self) -> u64 {
        self.0 & LOW
    }

    /// Whether calls are rejected without asking the machine.
    fn is_barred(self) -> bool {
        matches!(self.kind(), kind::OPEN | kind::PROBING | kind::BARRED)
    }

    /// The token of a call that this lets through and that is no probe.
    #[inline]
    pub(super) fn token(self) -> Token {
        Token(self.0 & !LOW)
    }

    /// Whether calls flow, and did when this one was let through, which is no probe.
    #[inline]
    pub(super) fn flows_for(self, token: Token) -> bool {
        self.0 == token.0
    }

    /// Whether this call was let through in another state.
    pub(super) fn is_of_another_generation(self, token: Token) -> bool {
        (self.0 ^ token.0) >> LOW_BITS != 0
    }
}

/// The published gate: one word, all that a call reads while the breaker is closed, and its moments.
#[derive(Debug)]
pub(super) struct Published {
    word: AtomicU64,
    /// What was stored before a word belongs to it, or to a newer one.
    from: AtomicU64,
    until: AtomicU64,
    /// The shares of calls in a ramp, added up.
    shares: AtomicU64,
}

/// One call's worth of shares.
const FULL: u64 = 1 << 32;

/// The share of calls let through at the beginning of a ramp.
const RAMP_START: f64 = 0.2;

impl Published {
    pub(super) fn new() -> Self {
        Self { word: AtomicU64::new(0), from: AtomicU64::new(0), until: AtomicU64::new(0), shares: AtomicU64::new(0) }
    }

    #[inline]
    pub(super) fn read(&self) -> Sign {
        Sign(self.word.load(Ordering::Acquire))
    }

    /// Lets every thread know.
    pub(super) fn publish(&self, generation: u64, gate: Gate) {
        let (kind, from, until) = match gate {
            Gate::Flow => (kind::FLOW, None, None),
            Gate::Watch => (kind::WATCH, None, None),
            Gate::Pass => (kind::PASS, None, None),
            Gate::Ramp { from, until } => (kind::RAMP, Some(from), Some(until)),
            Gate::Open { until } => (kind::OPEN, None, Some(until)),
            Gate::Probing { until } => (kind::PROBING, None, Some(until)),
            Gate::Ask => (kind::ASK, None, None),
            Gate::Barred => (kind::BARRED, None, None),
        };
        self.from.store(from.map_or(0, Instant::as_nanos), Ordering::Relaxed);
        self.until.store(until.map_or(0, Instant::as_nanos), Ordering::Relaxed);
        self.word.store(generation << LOW_BITS | kind, Ordering::Release);
    }

    /// The generation in which calls are rejected without asking the machine, and until when, if they are.
    pub(super) fn bar(&self) -> Option<(u64, Instant)> {
        let sign = self.read();
        sign.is_barred().then(|| (sign.0, self.until()))
    }

    pub(super) fn until(&self) -> Instant {
        Instant::from_nanos(self.until.load(Ordering::Relaxed))
    }

    /// Lets the first call of the next ramp through.
    pub(super) fn begin_ramp(&self) {
        self.shares.store(FULL - 1, Ordering::Relaxed);
    }

    /// Whether a ramp lets this call through. Its share grows with time; the shares of all calls add up in one word, and a
    /// call goes through when they fill it: so it is exactly that share, without chance.
    pub(super) fn ramp_lets_through(&self, now: Instant) -> bool {
        let from = Instant::from_nanos(self.from.load(Ordering::Relaxed));
        let progress = now.since(from).as_secs_f64() / self.until().since(from).as_secs_f64();
        // Another thread may have ended the ramp since this one looked, and cleared its moments.
        let progress = progress.min(1.0);
        let share = ((RAMP_START + (1.0 - RAMP_START) * progress) * FULL as f64) as u64;
        let before = self.shares.fetch_add(share, Ordering::Relaxed);
        before % FULL + share >= FULL
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_ramp_that_another_thread_ends_meanwhile_lets_the_call_through() {
        // Given a call that has read of a ramp
        let (gate, now) = (Published::new(), Instant::now());
        gate.publish(1, Gate::Ramp { from: now, until: now.after(Duration::from_secs(1)) });
        assert_eq!(gate.read().kind(), kind::RAMP);
        // When another one ends that before it looks at its moments
        for next in [Gate::Flow, Gate::Barred, Gate::Open { until: now.after(Duration::from_millis(1)) }] {
            gate.begin_ramp();
            gate.publish(2, next);
            // Then it is let through, as at the end of a ramp
            assert!(gate.ramp_lets_through(now.after(Duration::from_secs(2))), "{next:?}");
        }
    }
}
