use crate::kernel::sync::{AtomicU64, Ordering};

/// The limit and what is taken of it, in one word: so no admission can overlook a change of either.
#[derive(Debug)]
pub(super) struct Slots(AtomicU64);

impl Slots {
    pub(super) fn new(limit: u32) -> Self {
        Self(AtomicU64::new(pack(limit, 0)))
    }

    /// Takes as many slots, or as many as there are if that is more than all: returns how many.
    ///
    /// Never adds first and takes back after: in between, a caller for whom there is a slot would be turned away.
    #[inline]
    pub(super) fn take(&self, weight: u32) -> Option<u32> {
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            let (limit, taken) = unpack(now);
            let weight = weight.min(limit);
            let after = taken.checked_add(weight).filter(|after| *after <= limit || weight == 0)?;
            match self.0.compare_exchange_weak(now, pack(limit, after), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(weight),
                Err(changed) => now = changed,
            }
        }
    }

    #[inline]
    pub(super) fn give_back(&self, weight: u32) {
        self.0.fetch_sub(u64::from(weight), Ordering::AcqRel);
    }

    pub(super) fn resize(&self, limit: u32) {
        let change = |now| Some(pack(limit, unpack(now).1));
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
    }

    /// The limit, and how much of it is taken.
    pub(super) fn read(&self) -> (u32, u32) {
        unpack(self.0.load(Ordering::Acquire))
    }
}

fn pack(limit: u32, taken: u32) -> u64 {
    u64::from(limit) << 32 | u64::from(taken)
}

fn unpack(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}
