//! How far the limit has been used, and what it is set to, for many threads.

use super::{
    Rate,
    quota::{Quota, Used},
    regime::{Regime, Slot},
    value::LONGEST,
};
use crate::kernel::{
    Instant, Name, Rejected, Why, clock,
    event::Chain,
    sync::{Arc, AtomicU64, Mutex, Ordering, lock},
    waiting::Capacity,
};

/// What all threads take from.
///
/// Taking is one compare-and-swap of one word, however many permits. What the limit is set to lies next to it in one of
/// four slots, and the word says in which: so whoever takes by settings that have changed meanwhile finds another word, and
/// looks again.
#[derive(Debug)]
pub struct State {
    /// The generation, whether somebody waits, and until when permits will be coming back, in nanoseconds.
    word: AtomicU64,
    regimes: [Slot; GENERATIONS],
    rate: Mutex<Rate>,
    /// Changes of the rate, in permits per day. Regimes are put in under its lock.
    pub(super) changes: Chain<u64>,
}

/// One is in use and one is written; that there are more saves those who read slowly from reading what is being written.
const GENERATIONS: usize = 4;
const GENERATION_SHIFT: u32 = 62;
const GENERATION: u64 = 0b11 << GENERATION_SHIFT;
const WAITED_FOR: u64 = 1 << 61;
const UNTIL: u64 = WAITED_FOR - 1;

/// The clock stands still for a limit after that: in 63 years. Permits then still come back within the word.
const LAST: u64 = UNTIL - LONGEST;

/// Everything, as it was at one moment.
#[derive(Clone, Copy)]
struct Seen {
    word: u64,
    regime: Regime,
}

/// Permits that a call has taken: see [`RateLimit`](super::RateLimit), whose [`Policy::Token`](crate::Policy) they are.
#[derive(Clone, Copy, Debug)]
pub struct Permits {
    /// What they cost in nanoseconds, and the generation.
    receipt: u64,
    at: Instant,
}

/// Why no permits were taken.
pub(super) enum Refusal {
    /// There are never so many.
    TooMuch,
    /// Somebody is in line for them.
    InLine,
    /// There will be enough from that moment on, if nobody else takes any.
    Until(Instant),
}

impl Seen {
    fn used(&self, now: u64) -> Used {
        let until = self.word & UNTIL;
        let Regime { quota, cold_at } = self.regime;
        Used { ahead: until.saturating_sub(now), warmth: until.saturating_sub(cold_at).min(quota.warm_up) }
    }

    /// The same, with what idleness has taken of the warmth since.
    fn used_when_cooled(&self, now: u64) -> Used {
        let used = self.used(now);
        let idle = now.saturating_sub(self.word & UNTIL);
        Used { warmth: used.warmth.saturating_sub(idle), ..used }
    }

    /// Nothing has been used since all permits were back, and that makes a difference.
    fn has_cooled(&self, now: u64) -> bool {
        self.regime.quota.warm_up > 0 && self.word & UNTIL < now
    }
}

impl State {
    pub(super) fn new(rate: Rate, quota: Quota) -> Self {
        let regimes: [Slot; GENERATIONS] = std::array::from_fn(|_| Slot::default());
        regimes[0].write(Regime { quota, cold_at: 0 });
        Self { word: AtomicU64::new(0), regimes, rate: Mutex::new(rate), changes: Chain::new() }
    }

    /// With the same settings, and nothing used.
    pub(super) fn fresh(&self) -> Self {
        Self::new(self.rate(), self.quota())
    }

    pub(super) fn rate(&self) -> Rate {
        *lock(&self.rate)
    }

    /// What it is set to.
    pub(super) fn quota(&self) -> Quota {
        self.see().regime.quota
    }

    /// How many permits there are, at the price of this moment.
    pub(super) fn free(&self, now: Instant) -> u32 {
        let seen = self.see();
        let (quota, used) = (seen.regime.quota, seen.used_when_cooled(nanos(now)));
        let free = quota.whole().saturating_sub(used.ahead).checked_div(quota.price(used, 1));
        free.map_or(0, |free| free.min(quota.burst.into()) as u32)
    }

    /// Whether all permits are there.
    pub(super) fn is_unused(&self, now: Instant) -> bool {
        self.word.load(Ordering::Acquire) & UNTIL <= nanos(now)
    }

    /// Takes permits, unless somebody is in line for them.
    #[inline(always)]
    pub(super) fn take(&self, weight: u32, now: Instant) -> Result<Permits, Refusal> {
        self.take_unless(WAITED_FOR, weight, now)
    }

    #[inline(always)]
    fn take_unless(&self, barred: u64, weight: u32, now: Instant) -> Result<Permits, Refusal> {
        loop {
            let (seen, at) = self.see_cooled(now);
            if seen.word & barred != 0 {
                return Err(Refusal::InLine);
            }
            if weight > seen.regime.quota.burst {
                return Err(Refusal::TooMuch);
            }
            let used = seen.used(at);
            match seen.regime.quota.take(used, weight, Instant::from_nanos(at)) {
                Ok(ahead) => {
                    let taken = ahead.saturating_sub(used.ahead);
                    let until = at.saturating_add(ahead).min(UNTIL);
                    if self.replace(seen.word, seen.word & !UNTIL | until) {
                        return Ok(Permits { receipt: seen.word & GENERATION | taken, at: now });
                    }
                }
                Err(until) if self.word.load(Ordering::Acquire) == seen.word => return Err(Refusal::Until(until)),
                // It was no more than half of one regime and half of another.
                Err(_) => {}
            }
        }
    }

    /// Takes permits, or says why not.
    #[inline(always)]
    pub(super) fn take_or_reject(&self, name: Name, weight: u32, now: Instant) -> Result<Permits, Rejected> {
        match self.take(weight, now) {
            Ok(permits) => Ok(permits),
            Err(refusal) => self.look_closer(refusal, name, weight, now),
        }
    }

    /// Looks more closely at the time, so that a tick of the clock turns nobody away, and the time to wait is exact where it is short.
    #[cold]
    fn look_closer(&self, refusal: Refusal, name: Name, weight: u32, told: Instant) -> Result<Permits, Rejected> {
        // A tick turns nobody away who has to wait for longer than that, and tells only a little too long a time.
        let far = matches!(refusal, Refusal::Until(until) if until.since(told) > clock::LONGEST_TICK);
        let now = if far { told } else { clock::closer(told) };
        let refusal = match refusal {
            Refusal::Until(until) if until <= now => match self.take(weight, now) {
                Ok(permits) => return Ok(permits),
                Err(refusal) => refusal,
            },
            refusal => refusal,
        };
        let until = match refusal {
            Refusal::TooMuch => return Err(Rejected::new(name, Why::TooMuch)),
            Refusal::InLine => self.ready_for(weight, 0, now),
            Refusal::Until(until) => until,
        };
        Err(Rejected::new(name, Why::RateLimited).with_retry_after(until.since(now)))
    }

    /// The same as if these permits had been taken by [`take`](Self::take), which the room has done: at today's price,
    /// which under a warm-up is a little less than they were.
    pub(super) fn taken_by_the_room(&self, weight: u32, now: Instant) -> Permits {
        let seen = self.see();
        let taken = seen.regime.quota.price(seen.used(nanos(now)), weight).min(UNTIL);
        Permits { receipt: seen.word & GENERATION | taken, at: now }
    }

    /// From when on there are so many permits besides those that are promised, or as many as there ever are.
    pub(super) fn ready_for(&self, weight: u32, promised: u32, now: Instant) -> Instant {
        let (seen, at) = (self.see(), nanos(now));
        let (quota, used) = (seen.regime.quota, seen.used_when_cooled(at));
        let used = Used { ahead: used.ahead.saturating_add(quota.price(used, promised)), ..used };
        quota.take(used, weight.min(quota.burst), Instant::from_nanos(at)).err().unwrap_or(now)
    }

    /// Gives back what of these permits has not come back by itself since. Returns whether somebody waits for permits.
    ///
    /// If the settings have changed in between, that is nothing: what was used then counts by other units now.
    pub(super) fn give_back(&self, permits: Permits, now: Instant) -> bool {
        let since = nanos(now).saturating_sub(nanos(permits.at));
        let rest = (permits.receipt & UNTIL).saturating_sub(since);
        let less = |word: u64| {
            let until = (word & UNTIL).saturating_sub(rest);
            ((word ^ permits.receipt) & GENERATION == 0).then_some(word & !UNTIL | until)
        };
        let (Ok(word) | Err(word)) = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        word & WAITED_FOR != 0
    }

    /// Changes the settings. What was used stays used: see [`Quota::carry_over`].
    pub(super) fn configure(&self, rate: Rate, quota: Quota, now: Instant) {
        self.changes.change(|| {
            let before = std::mem::replace(&mut *lock(&self.rate), rate);
            self.install(now, |seen, at| {
                let used = quota.carry_over(&seen.regime.quota, seen.used_when_cooled(at));
                let until = at.saturating_add(used.ahead).min(UNTIL);
                (Regime { quota, cold_at: until.saturating_sub(used.warmth) }, until)
            });
            (before.per_day(), rate.per_day())
        });
    }

    #[inline]
    fn see(&self) -> Seen {
        let word = self.word.load(Ordering::Acquire);
        Seen { word, regime: self.regimes[(word >> GENERATION_SHIFT) as usize].read() }
    }

    /// What is to be seen at that moment, once what was not used has cooled.
    #[inline]
    fn see_cooled(&self, now: Instant) -> (Seen, u64) {
        let at = nanos(now);
        let seen = self.see();
        if !seen.has_cooled(at) {
            return (seen, at);
        }
        self.cool(now);
        (self.see(), at)
    }

    /// A limit that was not used for a moment is colder by that moment.
    #[cold]
    fn cool(&self, now: Instant) {
        self.changes.change(|| {
            self.install(now, |seen, at| {
                let warmth = seen.used_when_cooled(at).warmth;
                let until = (seen.word & UNTIL).max(at);
                (Regime { cold_at: until.saturating_sub(warmth), ..seen.regime }, until)
            });
            (0, 0)
        });
    }

    /// Puts in what comes after what is there. To be called under the lock of the changes.
    fn install(&self, now: Instant, next: impl Fn(Seen, u64) -> (Regime, u64)) {
        loop {
            let seen = self.see();
            let (regime, until) = next(seen, nanos(now));
            let generation = (seen.word >> GENERATION_SHIFT).wrapping_add(1) % GENERATIONS as u64;
            self.regimes[generation as usize].write(regime);
            if self.replace(seen.word, generation << GENERATION_SHIFT | seen.word & WAITED_FOR | until) {
                return;
            }
        }
    }

    #[inline]
    fn replace(&self, word: u64, by: u64) -> bool {
        self.word.compare_exchange_weak(word, by, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// Permits come back with time, so the room asks for the time too.
impl Capacity for Arc<State> {
    fn take(&self, weight: u32) -> Option<u32> {
        let weight = weight.min(self.quota().burst);
        self.take_unless(0, weight, Instant::now()).is_ok().then_some(weight)
    }

    fn offer(&self, weight: u32, promised: u32) -> Option<u32> {
        let weight = weight.min(self.quota().burst);
        let now = Instant::now();
        (self.ready_for(weight, promised, now) <= now).then_some(weight)
    }

    fn ready_at(&self, weight: u32, promised: u32, now: Instant) -> Option<Instant> {
        Some(self.ready_for(weight, promised, now))
    }

    fn waited_for(&self, by_somebody: bool) {
        if by_somebody {
            self.word.fetch_or(WAITED_FOR, Ordering::AcqRel);
        } else {
            self.word.fetch_and(!WAITED_FOR, Ordering::AcqRel);
        }
    }
}

fn nanos(now: Instant) -> u64 {
    now.as_nanos().min(LAST)
}
