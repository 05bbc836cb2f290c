//! What extra attempts are paid from.
//!
//! ```text
//!   success --- + ratio ---> [ tokens, at most what the last 10 s paid in ] --- 1 each ---> extra attempt
//!                                                                           '-- 3 failures in a row: none
//! ```

mod operate;
mod window;

use window::Window;

use super::{
    Instant, Invalid, Name, clock,
    sync::{Arc, AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// A token in the unit that tokens are counted in, so that a ratio of 0.1 is exactly a tenth.
const TOKEN: u64 = 1_000_000;
/// What another attempt costs after one that was never sent.
const UNSENT: u64 = TOKEN / 10;
/// What it begins with, and what it may always hold.
const FLOOR: u64 = 3 * TOKEN;
const CEILING: u64 = 1_000 * TOKEN;
/// That many failures in a row, and nothing extra is sent.
const GATE: u32 = 3;
const UNLIMITED: u32 = u32::MAX;

/// What extra attempts to one dependency are paid from: retries, and whatever else is sent besides the originals.
///
/// Every success pays in a part of a token, [`ratio`](Builder::ratio), and every extra attempt costs one. So in the long
/// run extra attempts are at most that share of the successes, and a dependency that is down earns none. One after an attempt
/// that was never sent costs a tenth: see [`unsent`](crate::retry::Builder::unsent). It begins with 3
/// tokens, and holds at most as many as the successes of the last 10 seconds have paid in, though at least 3 and at most
/// 1,000: the most that it sends in a burst is about a second of its own traffic.
///
/// After 3 failures in a row nothing extra is sent until a call succeeds, whatever is left. One client among many, each
/// with a few tokens, is harmless by that.
///
/// | an attempt ends in | tokens | failures in a row |
/// |---|---|---|
/// | success, a 404 too | a ratio of one more | none any more |
/// | failure or overload | | one more |
/// | a rejection of our own, a caller who left | | |
///
/// Nothing comes back by itself: if all is spent, the next successes earn it.
///
/// A [`Retry`](crate::Retry) tells it of every attempt, and a [`Hedge`](crate::Hedge) does unless a retry shares its budget and thus
/// sees the same calls.
///
/// Clones share everything. There should be one per dependency: whoever shares it between two lets one of them starve the
/// other.
///
/// ```
/// use cofferdam::{Budget, budget::NoExtra};
///
/// let budget = Budget::builder("payments").ratio(0.5).build()?;
/// let extras: Vec<_> = (0..3).filter_map(|_| budget.extra().ok()).collect();
/// assert_eq!(extras.len(), 3);
/// assert_eq!(budget.extra().unwrap_err(), NoExtra::Empty);
///
/// budget.succeeded();
/// budget.succeeded();
/// assert!(budget.extra().is_ok());
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[doc(alias = "TpsBudget")]
#[derive(Clone, Debug)]
pub struct Budget(Arc<State>);

#[derive(Debug)]
struct State {
    name: Name,
    /// What a success pays in.
    ratio: AtomicU32,
    /// The most extra attempts at a time.
    most: AtomicU32,
    tokens: AtomicU64,
    /// See [`Window`].
    window: AtomicU64,
    /// Failures in a row.
    failures: AtomicU32,
    in_flight: AtomicU32,
    /// Retries that tell it of successes and failures.
    tellers: AtomicU32,
}

/// Builds a [`Budget`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`ratio`](Self::ratio) | 0.1 | 0.000001 to 1000 |
/// | [`in_flight`](Self::in_flight) | unlimited | 1 to 4294967294 |
///
/// ```
/// use cofferdam::Budget;
///
/// assert!(Budget::builder("payments").ratio(0.0).build().is_err());
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    name: String,
    ratio: f64,
    in_flight: Option<u32>,
}

impl Builder {
    /// How many extra attempts each success pays for. Default: 0.1. Range: 0.000001 to 1000. It counts in millionths, and
    /// what is less is dropped.
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = ratio;
        self
    }

    /// At most so many extra attempts at a time. Default: unlimited. Range: 1 to 4294967294.
    pub fn in_flight(mut self, most: impl Into<Option<u32>>) -> Self {
        self.in_flight = most.into();
        self
    }

    /// Builds the budget.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<Budget, Invalid> {
        Ok(Budget(Arc::new(State {
            name: Name::new(&self.name)?,
            ratio: AtomicU32::new(millionths(self.ratio)?),
            most: AtomicU32::new(most(self.in_flight)?),
            tokens: AtomicU64::new(FLOOR),
            window: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            tellers: AtomicU32::new(0),
        })))
    }
}

fn millionths(ratio: f64) -> Result<u32, Invalid> {
    if (0.000_001..=1000.0).contains(&ratio) {
        // A number that is a little below what was written is still what was written.
        Ok((ratio * TOKEN as f64 + 1e-6) as u32)
    } else {
        Err(Invalid::new("ratio", ratio, "0.000001 to 1000"))
    }
}

fn cost(was_sent: bool) -> u64 {
    if was_sent { TOKEN } else { UNSENT }
}

fn most(in_flight: Option<u32>) -> Result<u32, Invalid> {
    match in_flight {
        None => Ok(UNLIMITED),
        Some(most @ (0 | UNLIMITED)) => Err(Invalid::new("in_flight", most, "1 to 4294967294")),
        Some(most) => Ok(most),
    }
}

/// Why an extra attempt is not paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoExtra {
    /// The last 3 calls have failed.
    Failing,
    /// Less than a token is left.
    Empty,
    /// As many extra attempts are in flight as may be.
    Full,
}

/// An extra attempt that has been paid for. It is in flight until this is dropped.
#[derive(Debug)]
#[must_use = "the attempt counts as over when this is dropped"]
pub struct Extra(Budget);

impl Drop for Extra {
    fn drop(&mut self) {
        self.0.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// A retry that tells a budget of all calls, as long as this is kept.
#[derive(Debug)]
pub(crate) struct Teller(Budget);

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.0.tellers.fetch_sub(1, Relaxed);
    }
}

impl Budget {
    /// From now on a retry tells it what becomes of calls. Whoever makes extra attempts further in leaves it to that, or
    /// each success would pay twice.
    pub(crate) fn teller(&self) -> Teller {
        self.0.tellers.fetch_add(1, Relaxed);
        Teller(self.clone())
    }

    /// Whether a retry tells it of calls.
    #[inline]
    pub(crate) fn is_told(&self) -> bool {
        self.0.tellers.load(Relaxed) != 0
    }

    /// Starts a budget of that name.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder { name: name.into(), ratio: 0.1, in_flight: None }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.0.name
    }

    /// A call has succeeded, at whichever attempt: say so once per call.
    pub fn succeeded(&self) {
        self.succeeded_at(clock::coarse());
    }

    /// The same, for whoever has a clock of their own.
    #[inline]
    pub fn succeeded_at(&self, now: Instant) {
        let state = &*self.0;
        // Most of the time there is nothing to forget, and reading is cheaper than writing.
        if state.failures.load(Relaxed) != 0 {
            state.failures.store(0, Relaxed);
        }
        let window = state.count(now);
        let ratio = u64::from(state.ratio.load(Relaxed));
        let cap = window.cap(now, ratio);
        // While nothing extra is sent, it is soon full, and then this is a load.
        let _ = state.tokens.fetch_update(Relaxed, Relaxed, |tokens| {
            let paid = tokens.saturating_add(ratio).min(cap);
            (paid != tokens).then_some(paid)
        });
    }

    /// An attempt has failed, in a way that another one might mend.
    pub fn failed(&self) {
        let _ = self.0.failures.fetch_update(Relaxed, Relaxed, |row| row.checked_add(1));
    }

    /// Whether so many attempts have failed in a row that nothing extra is sent.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.failures.load(Relaxed) >= GATE
    }

    /// Pays for an extra attempt.
    ///
    /// # Errors
    ///
    /// [`NoExtra`] says why it must not be made.
    pub fn extra(&self) -> Result<Extra, NoExtra> {
        self.extra_at(clock::coarse())
    }

    /// The same, for whoever has a clock of their own.
    ///
    /// # Errors
    ///
    /// [`NoExtra`] says why it must not be made.
    pub fn extra_at(&self, now: Instant) -> Result<Extra, NoExtra> {
        self.extra_for(TOKEN, now)
    }

    /// Pays for an attempt after one that was sent, or was not.
    pub(crate) fn extra_after(&self, was_sent: bool, now: Instant) -> Result<Extra, NoExtra> {
        self.extra_for(cost(was_sent), now)
    }

    fn extra_for(&self, cost: u64, now: Instant) -> Result<Extra, NoExtra> {
        if self.is_failing() {
            return Err(NoExtra::Failing);
        }
        let state = &*self.0;
        let most = state.most.load(Relaxed);
        state
            .in_flight
            .fetch_update(Relaxed, Relaxed, |in_flight| (in_flight < most).then_some(in_flight + 1))
            .map_err(|_| NoExtra::Full)?;
        // From here on it is in flight, and no longer if it cannot be paid for.
        let extra = Extra(self.clone());
        let cap = state.cap(now);
        state
            .tokens
            .fetch_update(Relaxed, Relaxed, |tokens| tokens.min(cap).checked_sub(cost))
            .map_err(|_| NoExtra::Empty)?;
        Ok(extra)
    }

    /// How many tokens are left, with their fractions.
    #[must_use]
    pub fn balance(&self) -> f64 {
        self.balance_at(clock::coarse())
    }

    /// The same, for whoever has a clock of their own.
    #[must_use]
    pub fn balance_at(&self, now: Instant) -> f64 {
        self.left(now) as f64 / TOKEN as f64
    }

    /// Whether less than a token is left.
    #[must_use]
    pub fn is_empty_at(&self, now: Instant) -> bool {
        self.left(now) < TOKEN
    }

    /// Whether less is left than an attempt costs after one that was sent, or was not.
    pub(crate) fn is_short_at(&self, was_sent: bool, now: Instant) -> bool {
        self.left(now) < cost(was_sent)
    }

    fn left(&self, now: Instant) -> u64 {
        self.0.tokens.load(Relaxed).min(self.0.cap(now))
    }

    /// How many extra attempts are in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.0.in_flight.load(Relaxed)
    }

    /// Changes what a success pays in from now on.
    ///
    /// # Errors
    ///
    /// [`Invalid`] outside of 0.000001 to 1000; it stays as it was.
    pub fn set_ratio(&self, ratio: f64) -> Result<(), Invalid> {
        self.0.ratio.store(millionths(ratio)?, Relaxed);
        Ok(())
    }

    /// Changes how many extra attempts there may be at a time. Those that are in flight stay.
    ///
    /// # Errors
    ///
    /// [`Invalid`] outside of 1 to 4294967294; it stays as it was.
    pub fn set_in_flight(&self, in_flight: impl Into<Option<u32>>) -> Result<(), Invalid> {
        self.0.most.store(most(in_flight.into())?, Relaxed);
        Ok(())
    }
}

impl State {
    /// Counts a success.
    #[inline]
    fn count(&self, now: Instant) -> Window {
        let mut word = self.window.load(Relaxed);
        loop {
            let window = Window::read(word).at(now).plus_one();
            // A count that is full stays what it is.
            if window.write() == word {
                return window;
            }
            match self.window.compare_exchange_weak(word, window.write(), Relaxed, Relaxed) {
                Ok(_) => return window,
                Err(other) => word = other,
            }
        }
    }

    fn cap(&self, now: Instant) -> u64 {
        let ratio = u64::from(self.ratio.load(Relaxed));
        Window::read(self.window.load(Relaxed)).at(now).cap(now, ratio)
    }
}
