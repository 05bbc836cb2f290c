//! Where the margin is, published so that a call can be decided about without a lock.

use super::state::Margin;
use crate::kernel::sync::{AtomicU64, Ordering};

/// What an admission by a throttle is remembered by: the time of pressure it belongs to and the rank of the call, or nothing if
/// all was calm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(u64);

impl Token {
    /// Sent while all was calm: it was not counted.
    pub(super) const CALM: Self = Self(0);

    /// What is left once a lasting answer has settled it: a rank, and no pressure, as no admission has.
    pub(super) const SETTLED: Self = Self(1 << RANK_SHIFT);

    pub(super) fn rank(self) -> usize {
        (self.0 >> RANK_SHIFT) as usize & RANK
    }
}

const PRESSED: u64 = 1;
const RANK_SHIFT: u32 = 1;
const RANK: usize = 63;
const SHARE_SHIFT: u32 = 7;
const SHARE: u64 = (1 << (GENERATION_SHIFT - SHARE_SHIFT)) - 1;
const GENERATION_SHIFT: u32 = 32;

/// A share of one.
const FULL: u64 = 1 << 24;

/// The gate as it was read. From the lowest bit: whether it is pressed, the rank of the margin, the share of that rank, and which
/// time of pressure this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sign(u64);

impl Sign {
    #[inline]
    pub(super) fn is_calm(self) -> bool {
        self.0 & PRESSED == 0
    }

    /// The token of a call that this lets through.
    pub(super) fn token(self, rank: usize) -> Token {
        Token(self.0 >> GENERATION_SHIFT << GENERATION_SHIFT | (rank as u64) << RANK_SHIFT | PRESSED)
    }

    /// Whether that call was counted in the time of pressure that this belongs to.
    pub(super) fn has_counted(self, token: Token) -> bool {
        !self.is_calm() && token != Token::CALM && (self.0 ^ token.0) >> GENERATION_SHIFT == 0
    }

    fn margin(self) -> usize {
        (self.0 >> RANK_SHIFT) as usize & RANK
    }

    /// In units of [`FULL`].
    fn share(self) -> u64 {
        self.0 >> SHARE_SHIFT & SHARE
    }
}

#[derive(Debug)]
pub(super) struct Gate {
    word: AtomicU64,
    /// The shares of calls at the margin, added up.
    shares: AtomicU64,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self { word: AtomicU64::new(0), shares: AtomicU64::new(0) }
    }

    #[inline]
    pub(super) fn read(&self) -> Sign {
        Sign(self.word.load(Ordering::Acquire))
    }

    /// A new time of pressure begins, in which everything is sent until more is known.
    pub(super) fn press(&self) {
        let generation = (self.read().0 >> GENERATION_SHIFT).wrapping_add(1);
        self.store(generation, Margin::OPEN);
    }

    /// Lets every thread know where the margin is now.
    pub(super) fn publish(&self, margin: Margin) {
        self.store(self.read().0 >> GENERATION_SHIFT, margin);
    }

    pub(super) fn calm(&self) {
        self.word.store(self.read().0 >> GENERATION_SHIFT << GENERATION_SHIFT, Ordering::Release);
    }

    fn store(&self, generation: u64, margin: Margin) {
        let share = ((margin.share * FULL as f64) as u64).min(FULL);
        let word = generation << GENERATION_SHIFT | share << SHARE_SHIFT | (margin.rank as u64) << RANK_SHIFT | PRESSED;
        self.word.store(word, Ordering::Release);
    }

    /// Whether a call of that rank is sent. At the margin, the shares of all calls add up in one word, and a call is sent when
    /// they fill it: so it is exactly that share, without chance.
    #[inline]
    pub(super) fn sends(&self, sign: Sign, rank: usize) -> bool {
        if rank != sign.margin() {
            return rank > sign.margin();
        }
        let share = sign.share();
        share == FULL || self.shares.fetch_add(share, Ordering::Relaxed) % FULL + share >= FULL
    }

    /// Whether a coin sends a call, where all have one rank.
    pub(super) fn tosses(&self, sign: Sign) -> bool {
        sign.share() == FULL || fastrand::u64(..FULL) < sign.share()
    }
}
