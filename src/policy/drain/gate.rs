//! What every call reads and writes: whether it may come in, and how many are inside.

use crate::kernel::sync::{AtomicU64, Ordering};

/// How far a drain has come, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Whoever comes is let in.
    Open,
    /// So it is still, but not for long.
    Leaving,
    /// Nobody is let in any more.
    Closed,
    /// Those who were still inside have been sent out.
    Cut,
}

/// The phase and the number of those inside, in one word: so nobody slips in after it is closed, and "closed and empty" is
/// read, and brought about, in one step.
#[derive(Debug)]
pub(super) struct Gate(AtomicU64);

const PHASE_SHIFT: u32 = 62;
const INSIDE: u64 = (1 << PHASE_SHIFT) - 1;

const fn pack(phase: Phase, inside: u64) -> u64 {
    (phase as u64) << PHASE_SHIFT | inside
}

fn unpack(word: u64) -> (Phase, u64) {
    let phase = match word >> PHASE_SHIFT {
        0 => Phase::Open,
        1 => Phase::Leaving,
        2 => Phase::Closed,
        _ => Phase::Cut,
    };
    (phase, word & INSIDE)
}

impl Gate {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(pack(Phase::Open, 0)))
    }

    /// Lets a call in, unless it has come further than that phase.
    #[inline]
    pub(super) fn enter(&self, latest: Phase) -> bool {
        let mut now = self.0.load(Ordering::Acquire);
        // Never adds first and takes back after: somebody might see one inside who is not, and wait for it.
        while now <= pack(latest, INSIDE) {
            match self.0.compare_exchange_weak(now, now + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(changed) => now = changed,
            }
        }
        false
    }

    /// Lets a call out. Returns whether it was the last one that a drain waits for.
    #[inline]
    pub(super) fn leave(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) == pack(Phase::Closed, 1)
    }

    /// Changes the phase, if `to` says so of what there is. Returns how many were inside in that moment.
    pub(super) fn turn(&self, to: impl Fn(Phase, u64) -> Option<Phase>) -> Option<u64> {
        let turned = |word| {
            let (phase, inside) = unpack(word);
            to(phase, inside).map(|phase| pack(phase, inside))
        };
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, turned).ok().map(|word| word & INSIDE)
    }

    #[inline]
    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire) >= pack(Phase::Leaving, 0)
    }

    #[inline]
    pub(super) fn is_cut(&self) -> bool {
        self.0.load(Ordering::Acquire) >= pack(Phase::Cut, 0)
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire) >= pack(Phase::Closed, 0)
    }

    pub(super) fn read(&self) -> (Phase, u64) {
        unpack(self.0.load(Ordering::Acquire))
    }
}
