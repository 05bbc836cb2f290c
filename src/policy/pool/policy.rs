use std::sync::Weak;

use super::{
    Builder, Share,
    config::{Size, check_slots},
    seat::Seat,
    share::Held,
    state::{Stake, Sum},
};
use crate::kernel::{
    Instant, Invalid, Name,
    lane::Lane,
    sync::{Arc, AtomicU32, AtomicU64, AtomicUsize, Mutex, Ordering, lock},
    waiting::Usage,
};

/// The slots of a service, of which each of its dependencies has a share.
///
/// See the [module](super) for a picture. It is a handle: a clone is the same pool.
///
/// ```
/// use cofferdam::{Bulkhead, Policy, Pool};
///
/// let front = Bulkhead::builder("front").limit(64).build()?;
/// let pool = Pool::builder("front").slots_of(front.usage()).build()?;
///
/// let payments = pool.share("payments")?.layer();
/// let search = pool.share("search")?.layer();
/// assert_eq!((pool.slots(), pool.in_use()), (64, 0));
/// # let _ = (payments, search); Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    name: Name,
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    slots: Slots,
    /// One for each dependency there can be: whoever looks at all of them takes no lock.
    seats: Box<[Lane<Seat>]>,
    /// How many of them have ever been occupied.
    used: AtomicUsize,
    /// When somebody last looked at all of them, in nanoseconds.
    looked: AtomicU64,
    /// When somebody was last refused something.
    refused: AtomicU64,
    /// Who has a share under a name.
    named: Mutex<Vec<Weak<Held>>>,
}

#[derive(Debug)]
enum Slots {
    Fixed(AtomicU32),
    Of(Usage),
}

/// How often somebody looks at all dependencies, and works out what is whose.
const LOOKS: u64 = 10_000_000;

/// For so long after a refusal what is slow does not become normal: the harm would come back with it.
pub(super) const HOLDS: u64 = 10_000_000_000;

impl Pool {
    /// Starts a pool of that name.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }

    pub(super) fn new(name: Name, size: Size, shares: usize) -> Self {
        let slots = match size {
            Size::Fixed(slots) => Slots::Fixed(AtomicU32::new(slots as u32)),
            Size::Of(usage) => Slots::Of(usage),
        };
        let shared = Shared {
            slots,
            seats: (0..shares).map(|_| Lane(Seat::new())).collect(),
            used: AtomicUsize::new(0),
            looked: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            named: Mutex::default(),
        };
        Self { name, shared: Arc::new(shared) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// How many slots there are now.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.shared.slots().0
    }

    /// How many slots are taken: what the limit in front says, or else what the shares hold.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.shared.slots().1.unwrap_or_else(|| self.shared.seats().map(Seat::held).fold(0, u32::saturating_add))
    }

    /// How many shares there are.
    #[must_use]
    pub fn shares(&self) -> usize {
        self.shared.seats().count()
    }

    /// The share of the dependency of that name, which its rejections will carry: the one that there is, or a new one.
    ///
    /// A share is there for as long as there are handles of it or calls under it.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if this is no name, or there are as many shares as there can be.
    pub fn share(&self, name: impl AsRef<str>) -> Result<Share, Invalid> {
        let name = Name::new(name.as_ref())?;
        let mut named = lock(&self.shared.named);
        named.retain(|held| held.strong_count() > 0);
        if let Some(held) = named.iter().filter_map(Weak::upgrade).find(|held| held.name() == name) {
            return Ok(Share::new(held));
        }
        let Some(seat) = self.shared.occupy() else {
            return Err(Invalid::new("share", name, "one of at most `max_shares` of the pool"));
        };
        let held = Arc::new(Held::new(name, self.clone(), seat));
        named.push(Arc::downgrade(&held));
        Ok(Share::new(held))
    }

    /// One more share for the same dependency, with nothing learned, that [`share`](Self::share) does not find.
    pub(super) fn another(&self, name: Name) -> Option<Share> {
        let _named = lock(&self.shared.named);
        let seat = self.shared.occupy()?;
        Some(Share::new(Arc::new(Held::new(name, self.clone(), seat))))
    }

    /// Changes the number of slots, at once.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless it is 1 to 2,147,483,647, or if the slots are those of a limit, which has to be changed itself;
    /// nothing is changed then.
    pub fn resize(&self, slots: usize) -> Result<(), Invalid> {
        let slots = check_slots(slots)?;
        match &self.shared.slots {
            Slots::Fixed(fixed) => fixed.store(slots, Ordering::Relaxed),
            Slots::Of(_) => return Err(Invalid::new("slots", slots, "left to the limit whose slots they are")),
        }
        Ok(())
    }

    pub(super) fn has_fixed_slots(&self) -> bool {
        matches!(self.shared.slots, Slots::Fixed(_))
    }
}

impl Shared {
    /// Takes a seat that nobody has. Only under the lock of the names.
    fn occupy(&self) -> Option<usize> {
        let index = self.seats.iter().position(|Lane(seat)| !seat.is_occupied())?;
        self.seats[index].0.occupy();
        self.used.fetch_max(index + 1, Ordering::AcqRel);
        Some(index)
    }

    pub(super) fn seat(&self, index: usize) -> &Seat {
        &self.seats[index].0
    }

    /// All dependencies.
    pub(super) fn seats(&self) -> impl Iterator<Item = &Seat> {
        let used = self.used.load(Ordering::Acquire);
        self.seats[..used].iter().map(|Lane(seat)| seat).filter(|seat| seat.is_occupied())
    }

    /// How many slots there are, and how many are taken if that is known from elsewhere.
    pub(super) fn slots(&self) -> (u32, Option<u32>) {
        match &self.slots {
            Slots::Fixed(slots) => (slots.load(Ordering::Relaxed), None),
            Slots::Of(usage) => {
                let (limit, taken) = usage.read();
                (limit, Some(taken))
            }
        }
    }

    /// Whether requests wait for slots until it is almost too late for them.
    pub(super) fn is_late(&self) -> bool {
        matches!(&self.slots, Slots::Of(usage) if usage.is_late())
    }

    /// Works out what is whose, if that was not done lately.
    #[inline]
    pub(super) fn look(&self, now: Instant) {
        let looked = self.looked.load(Ordering::Relaxed);
        if now.as_nanos().wrapping_sub(looked) >= LOOKS {
            self.look_at_all(looked, now);
        }
    }

    #[cold]
    #[inline(never)]
    fn look_at_all(&self, looked: u64, now: Instant) {
        let won = self.looked.compare_exchange(looked, now.as_nanos(), Ordering::Relaxed, Ordering::Relaxed);
        if won.is_err() {
            return;
        }
        let slots = self.slots().0;
        self.seats().for_each(|seat| seat.fade(now));
        let sum = self.sum();
        self.seats().for_each(|seat| seat.set_own(sum.own(seat.guarantee(), slots)));
    }

    pub(super) fn sum(&self) -> Sum {
        Sum::of(self.seats().map(Seat::stake))
    }

    pub(super) fn others(&self, index: usize) -> impl Iterator<Item = Stake> {
        let own = self.seat(index);
        self.seats().filter(move |seat| !std::ptr::eq(*seat, own)).map(Seat::stake)
    }

    pub(super) fn refuse(&self, now: Instant) {
        self.refused.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Whether nobody was refused anything for a while.
    pub(super) fn is_calm(&self, now: u64) -> bool {
        let refused = self.refused.load(Ordering::Relaxed);
        refused == 0 || now.saturating_sub(refused) >= HOLDS
    }
}
