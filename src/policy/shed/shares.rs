use crate::kernel::{
    Criticality, Invalid,
    sync::{AtomicU64, Ordering},
};

/// What classes are let in at least, in shares of all that is let in.
///
/// Each call that is let in earns every class its share of a call. A class that has earned a whole one may spend it to line
/// up ahead of all others.
#[derive(Debug)]
pub(super) struct Shares {
    /// By class, in millionths.
    shares: [u64; CLASSES],
    earned: [AtomicU64; CLASSES],
}

const CLASSES: usize = Criticality::ALL.len();
const CALL: u64 = 1_000_000;
/// What is earned beyond that is lost, so that a class that was quiet for long does not come in all at once.
const MOST: u64 = 10 * CALL;

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
        let shares = shares.map(|share| (share * CALL as f64) as u64);
        let earned = shares.map(|_| AtomicU64::new(0));
        Ok((sum > 0.0).then_some(Self { shares, earned }))
    }

    /// The same shares, of which nothing has been earned yet.
    pub(super) fn fresh(&self) -> Self {
        Self { shares: self.shares, earned: self.shares.map(|_| AtomicU64::new(0)) }
    }

    /// A call was let in.
    pub(super) fn earn(&self) {
        for (share, earned) in self.shares.iter().zip(&self.earned) {
            if *share > 0 && earned.load(Ordering::Relaxed) < MOST {
                earned.fetch_add(*share, Ordering::Relaxed);
            }
        }
    }

    /// Whether the class has earned a call, which is spent then.
    pub(super) fn spend(&self, class: Criticality) -> bool {
        let spend = |earned: u64| earned.checked_sub(CALL);
        self.earned[class as usize].fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok()
    }
}
