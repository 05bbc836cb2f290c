use super::{Bulkhead, state::Slots};
use crate::kernel::{Invalid, Name};

/// Builds a [`Bulkhead`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`limit`](Self::limit) | 64 calls | 1 to 4,294,967,295 |
///
/// ```
/// use cofferdam::Bulkhead;
///
/// assert_eq!(Bulkhead::builder("checkout").build()?.limit(), 64);
/// assert!(Bulkhead::builder("checkout").limit(0).build().is_err());
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    name: String,
    limit: usize,
}

impl Builder {
    pub(super) fn new(name: String) -> Self {
        Self { name, limit: 64 }
    }

    /// How many calls may be in flight at a time.
    ///
    /// Default: 64. Range: 1 to 4,294,967,295.
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Builds the bulkhead.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<Bulkhead, Invalid> {
        Ok(Bulkhead::new(Name::new(&self.name)?, Slots::new(limit(self.limit)?)))
    }
}

pub(super) fn limit(limit: usize) -> Result<u32, Invalid> {
    match u32::try_from(limit) {
        Ok(limit) if limit > 0 => Ok(limit),
        _ => Err(Invalid::new("limit", limit, "1 to 4294967295")),
    }
}
