use super::Pool;
use crate::kernel::{
    Invalid, Name,
    waiting::{LARGEST, Usage},
};

/// Builds a [`Pool`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`slots`](Self::slots) or [`slots_of`](Self::slots_of) | 64 | 1 to 2,147,483,647 |
/// | [`max_shares`](Self::max_shares) | 64 dependencies | 1 to 1,024 |
///
/// ```
/// use cofferdam::{Bulkhead, Pool};
///
/// let front = Bulkhead::builder("front").limit(100).build()?;
/// let pool = Pool::builder("front").slots_of(front.usage()).build()?;
/// front.resize(50)?;
/// assert_eq!(pool.slots(), 50);
///
/// assert!(Pool::builder("front").slots(0).build().is_err());
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    name: String,
    size: Size,
    max_shares: usize,
}

/// How large a pool is.
#[derive(Clone, Debug)]
pub(super) enum Size {
    /// That large, and nobody else knows what is taken.
    Fixed(usize),
    /// As large as the limit in front of it.
    Of(Usage),
}

/// The most dependencies of one pool.
const LARGEST_SHARES: usize = 1024;

impl Builder {
    pub(super) fn new(name: String) -> Self {
        Self { name, size: Size::Fixed(64), max_shares: 64 }
    }

    /// How many calls the service can have in progress at a time: its limit, its workers, its connections.
    ///
    /// What is taken of them is then what the shares hold, all together. Prefer [`slots_of`](Self::slots_of) where the limit
    /// is one of this crate: it also knows of requests that are with none of the dependencies, and whether others wait.
    ///
    /// Default: 64. Range: 1 to 2,147,483,647.
    pub fn slots(self, slots: usize) -> Self {
        Self { size: Size::Fixed(slots), ..self }
    }

    /// The slots are those of the service's own limit, as it is at any time: what
    /// [`Bulkhead::usage`](crate::Bulkhead::usage) returns.
    pub fn slots_of(self, usage: Usage) -> Self {
        Self { size: Size::Of(usage), ..self }
    }

    /// How many dependencies can have a share at a time. Each takes 128 bytes, whether there is one or not.
    ///
    /// Default: 64. Range: 1 to 1,024.
    pub fn max_shares(self, shares: usize) -> Self {
        Self { max_shares: shares, ..self }
    }

    /// Builds the pool, with no shares in it.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<Pool, Invalid> {
        if !(1..=LARGEST_SHARES).contains(&self.max_shares) {
            return Err(Invalid::new("max_shares", self.max_shares, "1 to 1024"));
        }
        if let Size::Fixed(slots) = self.size {
            check_slots(slots)?;
        }
        Ok(Pool::new(Name::new(&self.name)?, self.size, self.max_shares))
    }
}

pub(super) fn check_slots(slots: usize) -> Result<u32, Invalid> {
    match u32::try_from(slots) {
        Ok(slots) if (1..=LARGEST).contains(&slots) => Ok(slots),
        _ => Err(Invalid::new("slots", slots, "1 to 2147483647")),
    }
}
