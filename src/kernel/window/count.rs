//! The last so many calls.

use std::sync::OnceLock;

use super::{Counts, Sample};
use crate::kernel::sync::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// The largest count window: a mebibyte of memory.
pub(crate) const LARGEST: u32 = 1 << 20;

/// One segment for each power of two up to [`LARGEST`]: they double in size, so the window grows without moving.
const SEGMENTS: usize = 21;

/// A sliding window over calls, exact to the call: the newest takes the place of the oldest.
///
/// Every write to a slot is a swap, and the totals change by what the swap gave and took; so the totals are always the
/// sum over the slots, whoever writes at the same time.
#[derive(Debug)]
pub(crate) struct CountWindow {
    segments: [OnceLock<Box<[AtomicU8]>>; SEGMENTS],
    size: AtomicUsize,
    next: AtomicUsize,
    /// Calls, failures and slow calls, 21 bits each, and each of them above [`NONE`]: between a thread's swap and its
    /// addition another one may have overwritten the slot and taken off what was not added yet.
    totals: AtomicU64,
}

const BITS: u32 = 21;
const MASK: u64 = (1 << BITS) - 1;
const NONE: u64 = 1 << 19;
const EMPTIED: u64 = NONE | NONE << BITS | NONE << (2 * BITS);

impl CountWindow {
    /// A window over the last `size` calls, from 1 to [`LARGEST`].
    pub(crate) fn new(size: u32) -> Self {
        let window = Self {
            segments: Default::default(),
            size: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            totals: AtomicU64::new(EMPTIED),
        };
        window.resize(size);
        window
    }

    /// Counts a call. Returns whether all calls in the window are good.
    #[inline(never)] // so that windows of time, which are the default, stay small enough to be inlined
    pub(crate) fn record(&self, sample: Sample) -> bool {
        let size = self.size.load(Ordering::SeqCst);
        let index = self.next.fetch_add(1, Ordering::Relaxed) % size;
        let totals = self.put(index, encode(sample));
        // A window that shrank in the meantime has swept beyond its end: either the sweep saw this call, or we do.
        if index >= self.size.load(Ordering::SeqCst) {
            self.put(index, EMPTY);
        }
        totals >> BITS == EMPTIED >> BITS
    }

    /// What the window holds.
    pub(crate) fn counts(&self) -> Counts {
        unpack(self.totals.load(Ordering::Acquire))
    }

    /// Changes the size. The newest calls that still fit are kept.
    ///
    /// Only one thread may do so at a time; calls may be counted meanwhile.
    pub(crate) fn resize(&self, size: u32) {
        let (old, new) = (self.size.load(Ordering::SeqCst), size.clamp(1, LARGEST) as usize);
        let next = self.next.load(Ordering::Relaxed);
        let kept: Vec<u8> = (0..old)
            .map(|back| self.slot((next + old - 1 - back) % old).load(Ordering::Acquire))
            .filter(|slot| *slot != EMPTY)
            .take(new)
            .collect();
        self.size.store(new, Ordering::SeqCst);
        self.clear();
        for (index, slot) in kept.iter().rev().enumerate() {
            self.put(index, *slot);
        }
        self.next.store(kept.len(), Ordering::Relaxed);
    }

    /// Forgets everything: empties every slot that was ever used.
    pub(crate) fn clear(&self) {
        for (segment, slots) in self.segments.iter().enumerate() {
            for offset in 0..slots.get().map_or(0, |slots| slots.len()) {
                self.put((1 << segment) - 1 + offset, EMPTY);
            }
        }
    }

    /// Writes a slot and returns the totals after that.
    fn put(&self, index: usize, new: u8) -> u64 {
        let old = self.slot(index).swap(new, Ordering::SeqCst);
        let change = packed(new).wrapping_sub(packed(old));
        self.totals.fetch_add(change, Ordering::AcqRel).wrapping_add(change)
    }

    /// Segment `k` holds slots `2^k - 1` to `2^(k+1) - 2`.
    fn slot(&self, index: usize) -> &AtomicU8 {
        let segment = (index + 1).ilog2();
        let slots = self.segments[segment as usize]
            .get_or_init(|| (0..1_usize << segment).map(|_| AtomicU8::new(EMPTY)).collect());
        &slots[index + 1 - (1 << segment)]
    }
}

const EMPTY: u8 = 0;
const CALL: u8 = 1;
const FAILED: u8 = 2;
const SLOW: u8 = 4;

fn encode(sample: Sample) -> u8 {
    CALL + if sample.failed { FAILED } else { 0 } + if sample.slow { SLOW } else { 0 }
}

fn packed(slot: u8) -> u64 {
    let bit = |flag: u8| u64::from(slot & flag != 0);
    bit(CALL) | bit(FAILED) << BITS | bit(SLOW) << (2 * BITS)
}

fn unpack(totals: u64) -> Counts {
    let field = |nth: u32| (totals >> (nth * BITS) & MASK).saturating_sub(NONE);
    Counts { calls: field(0), failures: field(1), slow: field(2) }
}
