use super::{Builder, config::limit, state::Slots};
use crate::kernel::{Admit, Ended, Immediate, Instant, Invalid, Name, Policy, Rejected, Timing, Why, sync::Arc};

/// At most so many calls at a time; the rest are rejected at once.
///
/// Exact: never one call too many, and never a rejection while a slot is free, under any number of threads and while
/// the limit changes. See the [module](super) for a picture.
///
/// ```
/// use cofferdam::{Bulkhead, Policy, guard};
///
/// let slots = Bulkhead::builder("checkout").limit(64).build()?;
/// let layer = slots.clone().layer();
///
/// slots.resize(32)?;
/// assert_eq!((slots.limit(), slots.in_flight()), (32, 0));
/// # let _ = layer; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bulkhead {
    name: Name,
    slots: Arc<Slots>,
}

impl Bulkhead {
    /// Starts a bulkhead of that name, which its rejections will carry.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }

    pub(super) fn new(name: Name, slots: Slots) -> Self {
        Self { name, slots: Arc::new(slots) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// How many slots there are.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.slots.read().0
    }

    /// How many slots are taken: calls in flight, or their weights.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.slots.read().1
    }

    /// Changes the limit, at once. Calls in flight beyond a smaller one go on, and no new ones start until there is room.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless the limit is 1 to 4,294,967,295; nothing is changed then.
    pub fn resize(&self, slots: usize) -> Result<(), Invalid> {
        self.slots.resize(limit(slots)?);
        Ok(())
    }

    /// The same bulkhead, in which a request takes as many slots as `weight` says.
    ///
    /// A request heavier than the limit takes all slots there are: it runs alone rather than never. One of weight zero
    /// takes none and is always admitted.
    ///
    /// ```
    /// use cofferdam::{Admit, Bulkhead, Instant};
    ///
    /// let slots = Bulkhead::builder("reports").limit(10).build()?;
    /// let weighted = slots.clone().weighted(|pages: &u32| *pages);
    ///
    /// assert!(weighted.admit(&7, Instant::now()).is_ok());
    /// assert_eq!(slots.in_flight(), 7);
    /// assert!(weighted.admit(&4, Instant::now()).is_err());
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn weighted<Request, F: Fn(&Request) -> u32>(self, weight: F) -> Weighted<F> {
        Weighted { bulkhead: self, weight }
    }

    #[inline]
    fn take(&self, weight: u32) -> Result<u32, Rejected> {
        self.slots.take(weight).ok_or_else(|| Rejected::new(self.name, Why::Full))
    }
}

impl Policy for Bulkhead {
    type Kind = Immediate;
    type Token = ();

    const TIMING: Timing = Timing::Unused;

    #[inline]
    fn settle(&self, (): (), _: &Ended) {
        self.slots.give_back(1);
    }

    #[inline]
    fn undo(&self, (): (), _: Instant) {
        self.slots.give_back(1);
    }
}

impl<Request> Admit<Request> for Bulkhead {
    #[inline]
    fn admit(&self, _: &Request, _: Instant) -> Result<(), Rejected> {
        self.take(1).map(drop)
    }
}

/// A bulkhead whose requests take different numbers of slots: see [`Bulkhead::weighted`].
///
/// ```
/// use cofferdam::{Bulkhead, Policy};
///
/// let by_size = Bulkhead::builder("uploads").limit(1000).build()?.weighted(|upload: &Vec<u8>| upload.len() as u32 / 1024);
/// let slots = by_size.bulkhead().clone();
/// let layer = by_size.layer();
/// # let _ = (slots, layer); Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Weighted<F> {
    bulkhead: Bulkhead,
    weight: F,
}

impl<F> Weighted<F> {
    /// The bulkhead that holds the slots.
    pub fn bulkhead(&self) -> &Bulkhead {
        &self.bulkhead
    }
}

impl<F> Policy for Weighted<F> {
    type Kind = Immediate;
    type Token = u32;

    const TIMING: Timing = Timing::Unused;

    #[inline]
    fn settle(&self, taken: u32, _: &Ended) {
        self.bulkhead.slots.give_back(taken);
    }

    #[inline]
    fn undo(&self, taken: u32, _: Instant) {
        self.bulkhead.slots.give_back(taken);
    }
}

impl<Request, F: Fn(&Request) -> u32> Admit<Request> for Weighted<F> {
    #[inline]
    fn admit(&self, request: &Request, _: Instant) -> Result<u32, Rejected> {
        self.bulkhead.take((self.weight)(request))
    }
}
