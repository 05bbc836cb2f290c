use super::Capacity;
use crate::kernel::{
    event::Chain,
    sync::{Arc, AtomicBool, AtomicU64, Ordering},
};

/// So many slots, counted in one word.
#[derive(Debug)]
pub struct Slots {
    /// The limit, what is taken of it, and whether somebody waits, in one word: so no admission can overlook a change of any.
    word: AtomicU64,
    /// Whether whoever came in last had waited for most of the time that it could.
    late: AtomicBool,
    /// Changes of the limit.
    pub(crate) changes: Chain<u32>,
}

/// The largest limit: what is left of a word besides what is taken and the mark of those who wait.
pub(crate) const LARGEST: u32 = u32::MAX >> 1;

const LIMIT_SHIFT: u32 = 33;
const WAITED_FOR: u64 = 1 << 32;

impl Slots {
    pub(crate) fn new(limit: u32) -> Self {
        let word = AtomicU64::new(u64::from(limit) << LIMIT_SHIFT);
        Self { word, late: AtomicBool::new(false), changes: Chain::new() }
    }

    /// Takes as many slots. More than all there are come in when none is taken: alone rather than never, and as heavy as they
    /// are, so that nothing is let in beside them should the limit grow. While somebody waits, none.
    #[inline]
    pub(crate) fn take(&self, weight: u32) -> Option<u32> {
        self.take_unless(WAITED_FOR, weight)
    }

    /// Never adds first and takes back after: in between, a caller for whom there is a slot would be turned away.
    #[inline]
    fn take_unless(&self, barred: u64, weight: u32) -> Option<u32> {
        let mut now = self.word.load(Ordering::Acquire);
        loop {
            let (limit, taken) = unpack(now);
            let fits = taken == 0 || u64::from(taken) + u64::from(weight) <= u64::from(limit);
            if !fits || now & barred != 0 {
                return None;
            }
            match self.word.compare_exchange_weak(now, now + u64::from(weight), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(weight),
                Err(changed) => now = changed,
            }
        }
    }

    /// Gives slots back. Returns whether somebody waits for them.
    #[inline]
    pub(crate) fn give_back(&self, weight: u32) -> bool {
        self.word.fetch_sub(u64::from(weight), Ordering::AcqRel) & WAITED_FOR != 0
    }

    pub(crate) fn resize(&self, limit: u32) {
        self.changes.change(|| (self.set_limit(limit), limit));
    }

    /// Changes the limit, of which nobody is told. Returns what it was.
    pub(crate) fn set_limit(&self, limit: u32) -> u32 {
        const REST: u64 = (1 << LIMIT_SHIFT) - 1;
        let change = |now| Some(u64::from(limit) << LIMIT_SHIFT | now & REST);
        let (Ok(before) | Err(before)) = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
        unpack(before).0
    }

    /// The limit, and how much of it is taken.
    pub(crate) fn read(&self) -> (u32, u32) {
        unpack(self.word.load(Ordering::Acquire))
    }

    /// Whether somebody waits, and whoever came in last had waited for most of the time that it could.
    fn come_late(&self) -> bool {
        self.word.load(Ordering::Relaxed) & WAITED_FOR != 0 && self.late.load(Ordering::Relaxed)
    }
}

/// How many slots a policy has and how many of them are taken, to be read by others: see
/// [`Bulkhead::usage`](crate::Bulkhead::usage).
///
/// ```
/// use cofferdam::Bulkhead;
///
/// let slots = Bulkhead::builder("checkout").limit(16).build()?;
/// let usage = slots.usage();
/// slots.resize(8)?;
/// assert_eq!((usage.limit(), usage.taken()), (8, 0));
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Usage(Arc<Slots>);

impl Usage {
    pub(crate) fn of(slots: &Arc<Slots>) -> Self {
        Self(Arc::clone(slots))
    }

    /// How many slots there are now.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.0.read().0
    }

    /// How many of them are taken.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.0.read().1
    }

    /// Whether calls wait in a line for slots, and that for most of the time that they can wait: whoever came in last had
    /// waited for more than half of it.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.0.come_late()
    }

    pub(crate) fn read(&self) -> (u32, u32) {
        self.0.read()
    }
}

impl Capacity for Arc<Slots> {
    fn take(&self, weight: u32) -> Option<u32> {
        self.take_unless(0, weight)
    }

    fn offer(&self, weight: u32, promised: u32) -> Option<u32> {
        let (limit, taken) = self.read();
        let before = taken.checked_add(promised)?;
        (before == 0 || before.checked_add(weight)? <= limit).then_some(weight)
    }

    fn waited_for(&self, by_somebody: bool) {
        if by_somebody {
            self.word.fetch_or(WAITED_FOR, Ordering::AcqRel);
        } else {
            self.late.store(false, Ordering::Relaxed);
            self.word.fetch_and(!WAITED_FOR, Ordering::AcqRel);
        }
    }

    fn came_in(&self, late: bool) {
        self.late.store(late, Ordering::Relaxed);
    }
}

fn unpack(word: u64) -> (u32, u32) {
    ((word >> LIMIT_SHIFT) as u32, word as u32)
}
