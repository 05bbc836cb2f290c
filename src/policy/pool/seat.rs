//! What a pool keeps of one dependency: words that threads share, around the pure state.

use super::state::{self, Pace, Stake, Word};
use crate::kernel::{
    Ended, Instant,
    sync::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

/// One dependency. Words are written one by one: threads in the same moment may lose what one call taught, and the next
/// ones make up for it. Only the count of slots and of what is owed is exact.
#[derive(Debug)]
pub(super) struct Seat {
    occupied: AtomicBool,
    /// How many slots it holds, and how many answers it owes, in one word: a stream that goes on holds its slot and owes nothing.
    calls_now: AtomicU64,
    /// What it may hold without anybody looking further.
    own: AtomicU32,
    /// The last answer, or the call before which none was owed, in nanoseconds.
    heard: AtomicU64,
    /// The [`Pace`]: floats by their bits.
    delay: AtomicU64,
    baseline: AtomicU64,
    samples: AtomicU32,
    /// When the baseline last rose.
    followed: AtomicU64,
    /// The mean use, by its bits, and how many calls it is the mean of.
    mean: AtomicU64,
    calls: AtomicU32,
    /// When the mean was last moved.
    taught: AtomicU64,
    /// The last refusal; zero for none of late.
    refused: AtomicU64,
}

/// In this time the mean use of a dependency that nobody calls is halved: what is not used is not reserved for ever.
const HALVES: u64 = 60_000_000_000;

/// An answer that is owed, in the word of calls: slots are below. What is too heavy for that is wrong only while it is there.
const OWED: u64 = 1 << 40;

/// The slots in the word of calls.
fn held(calls_now: u64) -> u32 {
    u32::try_from(calls_now % OWED).unwrap_or(u32::MAX)
}

impl Seat {
    pub(super) fn new() -> Self {
        Self {
            occupied: AtomicBool::new(false),
            calls_now: AtomicU64::new(0),
            own: AtomicU32::new(0),
            heard: AtomicU64::new(0),
            delay: AtomicU64::new(0),
            baseline: AtomicU64::new(0),
            samples: AtomicU32::new(0),
            followed: AtomicU64::new(0),
            mean: AtomicU64::new(0),
            calls: AtomicU32::new(0),
            taught: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Somebody takes it, who finds nothing of whoever had it before.
    pub(super) fn occupy(&self) {
        self.calls_now.store(0, Ordering::Relaxed);
        self.forget();
        self.occupied.store(true, Ordering::Release);
    }

    /// Forgets all that was learned.
    pub(super) fn forget(&self) {
        for word in [&self.delay, &self.baseline, &self.followed, &self.mean, &self.taught, &self.refused] {
            word.store(0, Ordering::Relaxed);
        }
        for word in [&self.own, &self.samples, &self.calls] {
            word.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn leave(&self) {
        self.occupied.store(false, Ordering::Release);
    }

    pub(super) fn is_occupied(&self) -> bool {
        self.occupied.load(Ordering::Acquire)
    }

    pub(super) fn held(&self) -> u32 {
        held(self.calls_now.load(Ordering::Relaxed))
    }

    /// Whether so many slots more are still within what nobody is asked about.
    #[inline]
    pub(super) fn is_within_its_own(&self, weight: u32) -> bool {
        self.held().saturating_add(weight) <= self.own.load(Ordering::Relaxed)
    }

    pub(super) fn set_own(&self, own: u32) {
        self.own.store(own, Ordering::Relaxed);
    }

    /// Takes so many slots for a call. Returns how many it held before.
    #[inline]
    pub(super) fn take(&self, weight: u32, now: Instant) -> u32 {
        let before = self.calls_now.fetch_add(OWED + u64::from(weight), Ordering::Relaxed);
        if before < OWED {
            // Nobody waited for an answer, so it was not silent.
            self.heard.store(now.as_nanos(), Ordering::Relaxed);
        }
        held(before)
    }

    /// The slots of a call come back. `owed` is whether it ended without an answer before that.
    #[inline]
    pub(super) fn give_back(&self, weight: u32, owed: bool) {
        self.calls_now.fetch_sub(u64::from(owed) * OWED + u64::from(weight), Ordering::Relaxed);
    }

    /// The answer of a call is here, and its slots are held on.
    pub(super) fn owes_one_less(&self) {
        self.calls_now.fetch_sub(OWED, Ordering::Relaxed);
    }

    pub(super) fn stake(&self) -> Stake {
        Stake { held: self.held(), guarantee: self.guarantee() }
    }

    pub(super) fn guarantee(&self) -> f64 {
        state::guarantee(load(&self.mean))
    }

    pub(super) fn pace(&self) -> Pace {
        let samples = self.samples.load(Ordering::Relaxed);
        Pace { delay: load(&self.delay), baseline: load(&self.baseline), samples }
    }

    /// For how many nanoseconds nobody has heard of it, if it owes an answer.
    pub(super) fn silent(&self, now: Instant) -> f64 {
        let owes = self.calls_now.load(Ordering::Relaxed) >= OWED;
        if owes { now.as_nanos().saturating_sub(self.heard.load(Ordering::Relaxed)) as f64 } else { 0.0 }
    }

    pub(super) fn is_sick(&self, now: Instant) -> bool {
        self.pace().is_sick(self.silent(now))
    }

    /// A call that found so many slots in use has ended. `follows` is whether the baseline may rise.
    #[inline]
    pub(super) fn learn(&self, found: u32, ended: &Ended, follows: bool) {
        let (took, now) = (ended.latency_nanos() as f64, ended.now.as_nanos());
        match Word::of(ended, self.pace().delay) {
            Word::Answer => {
                let pace = match ended.head {
                    // It was learned when the head came.
                    Some(_) => self.pace(),
                    None => self.answered(took, now, follows),
                };
                if pace.is_well() {
                    self.learn_use(found, now);
                }
            }
            Word::Failure => self.heard.store(now, Ordering::Relaxed),
            Word::Silence if ended.head.is_none() => drop(self.learn_pace(took, now, follows)),
            Word::Silence | Word::Nothing => {}
        }
    }

    /// An answer, or its head, has come after so many nanoseconds.
    #[inline]
    pub(super) fn answered(&self, took: f64, now: u64, follows: bool) -> Pace {
        self.heard.store(now, Ordering::Relaxed);
        let before = self.pace();
        if took == 0.0 && before.is_instant() {
            self.followed.store(now, Ordering::Relaxed);
            return before;
        }
        self.learn_pace(took, now, follows)
    }

    fn learn_pace(&self, took: f64, now: u64, follows: bool) -> Pace {
        let before = self.pace();
        let mut pace = before.learn(took);
        if follows {
            pace = pace.follow(now.saturating_sub(self.followed.load(Ordering::Relaxed)) as f64);
        }
        self.followed.store(now, Ordering::Relaxed);
        store(&self.delay, pace.delay);
        store(&self.baseline, pace.baseline);
        if pace.samples != before.samples {
            self.samples.store(pace.samples, Ordering::Relaxed);
        }
        pace
    }

    #[inline]
    fn learn_use(&self, found: u32, now: u64) {
        self.taught.store(now, Ordering::Relaxed);
        let (mean, calls) = (load(&self.mean), self.calls.load(Ordering::Relaxed));
        if calls == state::MEMORY && mean == f64::from(found) {
            return;
        }
        store(&self.mean, state::mean(mean, calls, found));
        // More than that make no difference.
        if calls < state::MEMORY {
            self.calls.store(calls + 1, Ordering::Relaxed);
        }
    }

    /// Forgets by and by what nobody uses.
    pub(super) fn fade(&self, now: Instant) {
        let now = now.as_nanos();
        if now.saturating_sub(self.taught.load(Ordering::Relaxed)) >= HALVES {
            store(&self.mean, load(&self.mean) / 2.0);
            self.taught.store(now, Ordering::Relaxed);
        }
    }

    /// Whether nobody would miss what it knows.
    pub(super) fn is_forgettable(&self, now: Instant) -> bool {
        let idle = now.as_nanos().saturating_sub(self.taught.load(Ordering::Relaxed)) >= HALVES;
        self.held() == 0 && (idle || self.calls.load(Ordering::Relaxed) == 0)
    }

    pub(super) fn refuse(&self, now: Instant) {
        self.refused.store(now.as_nanos().max(1), Ordering::Relaxed);
    }

    /// Whether it was refused something since it was last found well.
    #[inline]
    pub(super) fn is_contained(&self) -> bool {
        self.refused.load(Ordering::Relaxed) != 0
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn release(&self) {
        self.refused.store(0, Ordering::Relaxed);
    }
}

fn load(word: &AtomicU64) -> f64 {
    f64::from_bits(word.load(Ordering::Relaxed))
}

fn store(word: &AtomicU64, value: f64) {
    word.store(value.to_bits(), Ordering::Relaxed);
}
