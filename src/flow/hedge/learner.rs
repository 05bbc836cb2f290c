use std::time::Duration;

use crate::kernel::{
    Invalid,
    clock::nanos,
    sync::{AtomicU32, AtomicU64, Ordering::Relaxed},
    written::Written,
};

/// Learns after what time it is worth to send a request again.
///
/// It never measures how long calls take: of those that lost to a hedge nobody will ever know. It only asks of each call
/// whether the original was still running when it was as old as the delay, and that is known before any hedge is sent.
/// It moves the delay up for each that was, and down a little for each that was not, so it settles where a certain
/// [share](crate::hedge::Builder::share) of calls reach it. Then the outcome corrects the step: a hedge that won counts two
/// fifths, and one that lost counts twice. So the delay goes to where hedges win.
///
/// What it knows is one word: the logarithm of the delay, so that steps are shares of it, and how many calls it has seen. The
/// first 50, while nothing is sent, bring it near to what half of the calls take, by steps of a fifth: the very first may have been
/// one of those that take long, and by small steps it would be a long way down from there. The next 206 move it five times as far as
/// those after them, and so do calls that are in time after so many others that six of them should have been late: what was slow is
/// over.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::hedge::Learner;
///
/// let learner = Learner::new(0.02, Duration::from_millis(1), Duration::from_secs(10))?;
/// assert_eq!(learner.delay(), None);
/// learner.seen(Duration::from_millis(80));
/// // Calls take from 0 to 100 ms: nearly all of them are answered in 98.
/// for call in 0..20_000 {
///     learner.seen(Duration::from_micros(call * 7_919 % 100_000));
/// }
/// let delay = learner.delay().unwrap().as_millis();
/// assert!((90..=100).contains(&delay), "{delay}");
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Debug)]
pub struct Learner {
    /// See [`State`].
    word: AtomicU64,
    /// In millionths.
    share: AtomicU32,
    /// Logarithms, in units of [`ONE`].
    least: AtomicU64,
    most: AtomicU64,
}

/// The logarithm of the delay in nanoseconds, with 32 bits after the point, and below it in 17 bits how many calls in a row were
/// in time, as far as that matters, and in 9 bits how many calls were seen, which stops at 256.
#[derive(Clone, Copy)]
struct State {
    logarithm: u64,
    row: u64,
    seen: u64,
}

const ONE: u64 = 1 << 32;
const ROW_BITS: u32 = 17;
const SEEN_BITS: u32 = 9;
/// So many must be seen before anything is sent.
const ENOUGH: u64 = 50;
/// So many move it by larger steps.
const FIRST: u64 = 256;
/// So many times as many calls as have one that is late among them are in time by chance once in four hundred times.
const TELLS: u64 = 6;
const MILLION: u64 = 1_000_000;

impl State {
    const NOTHING: Self = Self { logarithm: 0, row: 0, seen: 0 };

    fn read(word: u64) -> Self {
        let bits = |word: u64, bits: u32| word & ((1 << bits) - 1);
        Self {
            logarithm: word >> (ROW_BITS + SEEN_BITS),
            row: bits(word >> SEEN_BITS, ROW_BITS),
            seen: bits(word, SEEN_BITS),
        }
    }

    fn write(self) -> u64 {
        (self.logarithm << (ROW_BITS + SEEN_BITS)) | (self.row << SEEN_BITS) | self.seen
    }

    /// How far a call moves it: to where half of them get, then a tenth, and later a fiftieth.
    fn gain(self) -> u64 {
        match self.seen {
            0..ENOUGH => ONE / 5 * 2,
            ENOUGH..FIRST => ONE / 10,
            _ => ONE / 50,
        }
    }
}

fn logarithm(time: Duration) -> u64 {
    // Below e^45 nanoseconds, and not below one.
    ((nanos(time).max(1) as f64).ln() * ONE as f64) as u64
}

fn time(logarithm: u64) -> Duration {
    Duration::from_nanos((logarithm as f64 / ONE as f64).exp() as u64)
}

impl Learner {
    /// One that nothing is known to, for a delay that about such a share of calls reach, and within these bounds.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless the share is 0.001 to 0.5, and the bounds are above zero, at most 100 years and in order.
    pub fn new(share: f64, shortest: Duration, longest: Duration) -> Result<Self, Invalid> {
        let zero = || AtomicU64::new(0);
        let learner = Self { word: zero(), share: AtomicU32::new(0), least: zero(), most: zero() };
        learner.set(share, shortest, longest)?;
        Ok(learner)
    }

    /// Changes what it was made with. What it has learned is kept within the new bounds.
    ///
    /// # Errors
    ///
    /// [`Invalid`], as [`new`](Self::new); nothing is changed then.
    pub fn set(&self, share: f64, shortest: Duration, longest: Duration) -> Result<(), Invalid> {
        if !(0.001..=0.5).contains(&share) {
            return Err(Invalid::new("share", share, "0.001 to 0.5"));
        }
        Invalid::unless_duration("shortest_delay", shortest)?;
        Invalid::unless_duration("longest_delay", longest)?;
        if shortest > longest {
            return Err(Invalid::new("longest_delay", Written(longest), "at least `shortest_delay`"));
        }
        self.share.store((share * MILLION as f64).round() as u32, Relaxed);
        self.least.store(logarithm(shortest), Relaxed);
        self.most.store(logarithm(longest), Relaxed);
        Ok(())
    }

    /// The delay as it is now. None while no call was answered yet.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        let state = State::read(self.word.load(Relaxed));
        (state.seen > 0).then(|| time(self.keep(state.logarithm)))
    }

    /// Whether 50 calls were seen: before that, the delay is no more than a guess.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        State::read(self.word.load(Relaxed)).seen >= ENOUGH
    }

    /// Whether 256 calls were seen, so that it goes by small steps.
    pub(super) fn is_settled(&self) -> bool {
        self.calls() == FIRST
    }

    /// How many calls were seen, up to 256.
    #[must_use]
    pub fn calls(&self) -> u64 {
        State::read(self.word.load(Relaxed)).seen
    }

    /// A call was answered after that time, and nobody watched over its age: it is compared with the delay now. The first
    /// one is the delay.
    pub fn seen(&self, took: Duration) {
        let took = logarithm(took);
        let first = State { logarithm: self.keep(took), seen: 1, ..State::NOTHING };
        self.step(|state, share| match state {
            State { seen: 0, .. } => first,
            State { logarithm, .. } if took < logarithm => state.earlier(share).counted(),
            _ => state.later(share).broken().counted(),
        });
    }

    /// The original was answered before it was as old as the delay.
    #[inline]
    pub fn in_time(&self) {
        self.step(|state, share| state.earlier(share).counted());
    }

    /// The original was still running when it was as old as the delay: say so at that moment, whatever becomes of it.
    pub fn late(&self) {
        self.step(|state, share| state.later(share).broken().counted());
    }

    /// A hedge that was sent after the delay won: the step was two fifths of one.
    pub fn won(&self) {
        self.step(|state, share| State { logarithm: state.logarithm.saturating_sub(state.up(share) / 5 * 3), ..state });
    }

    /// The original won after all: the step was twice one.
    pub fn lost(&self) {
        self.step(|state, share| state.later(share));
    }

    /// Forgets everything.
    pub fn reset(&self) {
        self.word.store(0, Relaxed);
    }

    fn keep(&self, logarithm: u64) -> u64 {
        let (least, most) = (self.least.load(Relaxed), self.most.load(Relaxed));
        // Bounds that are being changed may be out of order for a moment.
        logarithm.max(least).min(most.max(least))
    }

    #[inline]
    fn step(&self, step: impl Fn(State, u64) -> State) {
        let share = u64::from(self.share.load(Relaxed));
        let _ = self.word.fetch_update(Relaxed, Relaxed, |word| {
            let state = step(State::read(word), share);
            let kept = State { logarithm: self.keep(state.logarithm), ..state }.write();
            // Where it cannot go further, nothing is written.
            (kept != word).then_some(kept)
        });
    }
}

impl State {
    fn down(self, share: u64) -> u64 {
        let gain = if self.row >= long_row(share) { self.gain().max(ONE / 10) } else { self.gain() };
        let share = if self.seen < ENOUGH { MILLION / 2 } else { share };
        gain * share / MILLION
    }

    fn up(self, share: u64) -> u64 {
        let share = if self.seen < ENOUGH { MILLION / 2 } else { share };
        self.gain() * (MILLION - share) / MILLION
    }

    fn earlier(self, share: u64) -> Self {
        let row = (self.row + 1).min(long_row(share));
        Self { logarithm: self.logarithm.saturating_sub(self.down(share)), row, ..self }
    }

    fn later(self, share: u64) -> Self {
        Self { logarithm: self.logarithm + self.up(share), ..self }
    }

    fn counted(self) -> Self {
        Self { seen: (self.seen + 1).min(FIRST), ..self }
    }

    fn broken(self) -> Self {
        Self { row: 0, ..self }
    }
}

/// After so many calls in a row that were in time, the delay is not what it was learned to be.
fn long_row(share: u64) -> u64 {
    TELLS * MILLION / share
}
