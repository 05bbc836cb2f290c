//! What is counted of calls, by whichever thread they end on.

use std::fmt;

use crate::kernel::{
    lane::{Lane, lane, lanes},
    sync::{AtomicU32, AtomicU64, Ordering},
};

/// The counts of a window, striped: see [`lane`](crate::kernel::lane).
pub(super) struct Meter {
    lanes: Box<[Lane<Counts>]>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Calls that began, for picking some of them. Two threads may lose one of each other's, and nothing comes of it.
    turns: AtomicU32,
    worked: AtomicU64,
    /// The slots that those held beyond one each.
    more: AtomicU64,
    /// Those that were timed, and their microseconds, in one word: neither can be read without the other.
    timed: AtomicU64,
    /// The least nanoseconds that one took, inverted, so that none is zero.
    fastest: AtomicU64,
    /// Of those that worked, those that began before the last cut.
    earlier: AtomicU64,
    late: AtomicU64,
    failed: AtomicU64,
    overloaded: AtomicU64,
}

/// What was counted, and not on which lane.
impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Meter").field(&self.read()).finish()
    }
}

/// The rest of the word counts microseconds: twelve days in all.
const ONE_TIMED: u64 = 1 << 40;

/// Where half of either count is used up, a call that counts more than once no longer does.
const HALF: u64 = 1 << 63 | 1 << 39;

/// A call counts for at most so many slots, and for so many microseconds in all of them: far less than half of a word.
const MOST_SLOTS: u64 = 1 << 16;
const MOST_MICROS: u64 = 1 << 36;

/// A call counts for at most that many microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// What was counted in a window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) worked: u64,
    /// The slots that those held.
    pub(super) slots: u64,
    pub(super) timed: u64,
    pub(super) micros: u64,
    /// In nanoseconds.
    pub(super) fastest: Option<u64>,
    pub(super) earlier: u64,
    pub(super) late: u64,
    pub(super) failed: u64,
    pub(super) overloaded: u64,
}

impl Counted {
    /// Calls that say something about the limit there is.
    pub(super) fn calls(&self) -> u64 {
        self.worked.saturating_sub(self.earlier) + self.failed + self.overloaded
    }

    /// Whether so many calls have ended, or most of them so late that fewer say it all.
    pub(super) fn is_enough(&self, calls: u32) -> bool {
        const CLEAR: u64 = 8;
        self.calls() >= calls.into() || self.late >= CLEAR && 2 * self.late > self.calls()
    }
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { lanes: (0..lanes()).map(|_| Lane::default()).collect() }
    }

    #[inline]
    fn here(&self) -> &Counts {
        &self.lanes[lane(self.lanes.len())].0
    }

    /// Of the slots that a call takes, how many are among those that are timed: one of every `mask + 1`, and so heavy calls
    /// count in the mean as what they are.
    #[inline]
    pub(super) fn picks(&self, mask: u32, slots: u32) -> u32 {
        if mask == 0 {
            return slots;
        }
        let turns = &self.here().turns;
        let turn = turns.load(Ordering::Relaxed);
        turns.store(turn.wrapping_add(slots), Ordering::Relaxed);
        if slots == 1 {
            return u32::from(turn & mask == 0);
        }
        let picked_before = |turn: u64| (turn + u64::from(mask)) / (u64::from(mask) + 1);
        (picked_before(u64::from(turn) + u64::from(slots)) - picked_before(turn.into())) as u32
    }

    #[inline]
    pub(super) fn worked(&self, slots: u32) {
        let here = self.here();
        here.worked.fetch_add(1, Ordering::Relaxed);
        if slots > 1 {
            here.more.fetch_add((slots - 1).into(), Ordering::Relaxed);
        }
    }

    /// A call took that long in so many slots that are timed.
    pub(super) fn timed(&self, nanos: u64, slots: u32, succeeded: bool) {
        let here = self.here();
        let micros = (nanos / 1000).min(LONGEST);
        let slots = if slots > 1 { u64::from(slots).min(MOST_SLOTS).min(MOST_MICROS / micros.max(1)) } else { 1 };
        if slots == 1 || here.timed.load(Ordering::Relaxed) & HALF == 0 {
            here.timed.fetch_add(slots * (ONE_TIMED + micros), Ordering::Relaxed);
        }
        if succeeded && !nanos > here.fastest.load(Ordering::Relaxed) {
            here.fastest.fetch_max(!nanos, Ordering::Relaxed);
        }
    }

    pub(super) fn earlier(&self) {
        self.here().earlier.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn late(&self) {
        self.here().late.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.here().failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn overloaded(&self) {
        self.here().overloaded.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(super) fn read(&self) -> Counted {
        self.sum(|count| count.load(Ordering::Relaxed))
    }

    /// What was counted, which then begins anew.
    pub(super) fn take(&self) -> Counted {
        self.sum(|count| count.swap(0, Ordering::Relaxed))
    }

    fn sum(&self, read: impl Fn(&AtomicU64) -> u64) -> Counted {
        let mut sum = Counted::default();
        let mut inverted = 0;
        for Lane(lane) in &self.lanes {
            let timed = read(&lane.timed);
            sum.timed += timed / ONE_TIMED;
            sum.micros += timed % ONE_TIMED;
            let worked = read(&lane.worked);
            sum.worked += worked;
            sum.slots += worked + read(&lane.more);
            sum.earlier += read(&lane.earlier);
            sum.late += read(&lane.late);
            sum.failed += read(&lane.failed);
            sum.overloaded += read(&lane.overloaded);
            inverted = inverted.max(read(&lane.fastest));
        }
        sum.fastest = (inverted > 0).then_some(!inverted);
        sum
    }
}
