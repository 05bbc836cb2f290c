use crate::kernel::{
    Criticality, Invalid,
    sync::{AtomicU64, Ordering},
};

/// What classes are let in at least, in shares of all that is let in.
///
/// Each slot that is taken earns every class its share of a slot. A class that has earned a whole one may spend it to line up
/// ahead of all others; what that call takes beyond one is owed, so a class gets no more of the slots for its calls being heavy.
#[derive(Debug)]
pub(super) struct Shares {
    /// By class, in millionths.
    shares: [u64; CLASSES],
    /// Above [`NOTHING`], so that what is owed is a number as well.
    earned: [AtomicU64; CLASSES],
}

const CLASSES: usize = Criticality::ALL.len();
const SLOT: u64 = 1_000_000;
const NOTHING: u64 = 1 << 62;
/// What is earned beyond that is lost, so that a class that was quiet for long does not come in all at once.
const MOST: u64 = NOTHING + 10 * SLOT;

impl Shares {
    /// None if no class has a share.
    pub(super) fn new(shares: [f64; CLASSES]) -> Result<Option<Self>, Invalid> {
        for share in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(Invalid::new("min_share", share, "0 to 1"));
            }
        }
        let sum: f64 = shares.iter().sum();
        if sum > 1.0 {
            return Err(Invalid::new("min_share", sum, "in all of them at most 1"));
        }
        let shares = shares.map(|share| (share * SLOT as f64) as u64);
        let earned = shares.map(|_| AtomicU64::new(NOTHING));
        Ok((sum > 0.0).then_some(Self { shares, earned }))
    }

    /// The same shares, of which nothing has been earned yet.
    pub(super) fn fresh(&self) -> Self {
        Self { shares: self.shares, earned: self.shares.map(|_| AtomicU64::new(NOTHING)) }
    }

    /// A call was let in that took so many slots.
    pub(super) fn earn(&self, slots: u32) {
        for (share, earned) in self.shares.iter().zip(&self.earned) {
            if *share > 0 && earned.load(Ordering::Relaxed) < MOST {
                earned.fetch_add(share * u64::from(slots), Ordering::Relaxed);
            }
        }
    }

    /// Whether the class has earned a slot; as many as the call takes are spent then.
    pub(super) fn spend(&self, class: Criticality, slots: u32) -> bool {
        let spend = |earned: u64| (earned >= NOTHING + SLOT).then(|| earned - u64::from(slots) * SLOT);
        self.earned[class as usize].fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok()
    }
}
