use std::time::Duration;

use super::{Bulkhead, NoQueue, Queue, Queued};
use crate::kernel::{
    Invalid, Name,
    context::{Bounds, CarriedDeadline},
    sync::Arc,
    waiting::{LARGEST, Order, Slots},
};

/// Builds a [`Bulkhead`], or changes one: see [`Bulkhead::configure`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`limit`](Self::limit) | 64 calls | 1 to 2,147,483,647 |
/// | [`queue`](Self::queue) | none | 1 to 1,048,576 calls that wait |
/// | [`max_wait`](Builder::max_wait), with a queue | 250 ms | above 0 |
/// | [`deadline`](Builder::deadline), with a queue | not looked at | |
/// | [`order`](Builder::order), with a queue | first come, first served; the newest first once the line has not been empty for 100 ms | above 0 |
///
/// ```
/// use std::time::Duration;
/// use cofferdam::Bulkhead;
///
/// assert_eq!(Bulkhead::builder("checkout").build()?.limit(), 64);
/// assert!(Bulkhead::builder("checkout").limit(0).build().is_err());
///
/// let patient = Bulkhead::builder("reports").limit(4).queue(100).max_wait(Duration::from_secs(2)).build()?;
/// assert_eq!(patient.waiting(), 0);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<Q = NoQueue> {
    name: String,
    pub(super) limit: usize,
    pub(super) queue: Q,
}

impl Builder {
    pub(super) fn new(name: String) -> Self {
        Self { name, limit: 64, queue: NoQueue }
    }

    /// Lets that many calls wait for a slot, rather than rejecting them at once. The services behind must be `Clone` then.
    ///
    /// Default: none may. Range: 1 to 1,048,576.
    pub fn queue(self, length: usize) -> Builder<Queued> {
        Builder { name: self.name, limit: self.limit, queue: Queued::new(length) }
    }

    /// Builds the bulkhead.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<Bulkhead, Invalid> {
        Ok(Bulkhead::new(Name::new(&self.name)?, Arc::new(Slots::new(limit(self.limit)?)), NoQueue))
    }
}

impl<Q> Builder<Q> {
    /// A builder that holds what a bulkhead is set to.
    pub(super) fn of(name: Name, limit: u32, queue: Q) -> Self {
        Self { name: name.to_string(), limit: limit as usize, queue }
    }

    /// How many calls may be in flight at a time.
    ///
    /// Default: 64. Range: 1 to 2,147,483,647.
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    pub(super) fn check(self) -> Result<(u32, Q), Invalid> {
        Ok((limit(self.limit)?, self.queue))
    }
}

impl<D: Bounds + Clone> Builder<Queued<D>> {
    /// Lets that many calls wait.
    ///
    /// Range: 1 to 1,048,576.
    pub fn queue(mut self, length: usize) -> Self {
        self.queue.length = length;
        self
    }

    /// How long a call may wait; after that it is rejected. Deadlines and timeouts further out end the wait as well.
    ///
    /// Default: 250 ms. Range: above zero, at most 100 years.
    pub fn max_wait(mut self, time: Duration) -> Self {
        self.queue.max_wait = time;
        self
    }

    /// Who goes first.
    ///
    /// Default: [`Order::Adaptive`] after 100 ms. Range: above zero, at most 100 years.
    pub fn order(mut self, order: Order) -> Self {
        self.queue.order = order;
        self
    }

    /// Lets a call wait no longer than its request's deadline, which requests must then be able to carry: see
    /// [`Context`](crate::Context). One whose deadline comes while it waits is rejected with
    /// [`Why::Expired`](crate::Why::Expired).
    pub fn deadline(self) -> Builder<Queued<CarriedDeadline>> {
        Builder { name: self.name, limit: self.limit, queue: self.queue.until_deadline() }
    }

    /// Builds the bulkhead.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<Bulkhead<Queue<D>>, Invalid> {
        let name = Name::new(&self.name)?;
        let slots = Arc::new(Slots::new(limit(self.limit)?));
        let queue = Queue::new(name, Arc::clone(&slots), self.queue.check()?);
        Ok(Bulkhead::new(name, slots, queue))
    }
}

pub(super) fn limit(limit: usize) -> Result<u32, Invalid> {
    match u32::try_from(limit) {
        Ok(limit) if (1..=LARGEST).contains(&limit) => Ok(limit),
        _ => Err(Invalid::new("limit", limit, "1 to 2147483647")),
    }
}
