use super::{ByText, ByValue, Fresh, Keyed};
use crate::kernel::{Invalid, Policy};

/// Builds a [`Keyed`] policy.
///
/// | setting | default | range |
/// |---|---|---|
/// | [`by`](Self::by) or [`by_text`](Self::by_text) | to be said | |
/// | [`capacity`](Self::capacity) | 10,000 keys | 1 to 1,048,576 |
/// | [`when_full`](Self::when_full) | [`WhenFull::Share`] | |
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<P, K = ()> {
    template: P,
    key: K,
    capacity: usize,
    when_full: WhenFull,
}

/// What becomes of a call with a new key when no other key makes room for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// All such calls share one policy.
    #[default]
    Share,
    /// They are rejected with [`Why::Crowded`](crate::Why::Crowded).
    Reject,
}

/// The largest table.
const LARGEST: usize = 1 << 20;

impl<P> Builder<P> {
    pub(super) fn new(template: P) -> Self {
        Self { template, key: (), capacity: 10_000, when_full: WhenFull::Share }
    }
}

impl<P, K> Builder<P, K> {
    /// The key is what this makes of a request.
    pub fn by<Request, Q, F: Fn(&Request) -> Q>(self, key: F) -> Builder<P, ByValue<F>> {
        self.with_key(ByValue(key))
    }

    /// The key is text in the request, which is borrowed.
    ///
    /// ```
    /// use cofferdam::{CircuitBreaker, keyed::Keyed};
    /// # #[cfg(feature = "http")] {
    /// use http::Request;
    ///
    /// let template = CircuitBreaker::builder("upstream").build()?;
    /// let by_host = Keyed::builder(template).by_text(|request: &Request<()>| request.uri().host().unwrap_or("")).build()?;
    /// assert!(by_host.is_empty());
    /// # }
    /// # Ok::<(), cofferdam::Invalid>(())
    /// ```
    pub fn by_text<Request, F: Fn(&Request) -> &str>(self, key: F) -> Builder<P, ByText<F>> {
        self.with_key(ByText(key))
    }

    /// The key is found by a [`KeyOf`](super::KeyOf) of your own.
    pub fn with_key<L>(self, key: L) -> Builder<P, L> {
        Builder { template: self.template, key, capacity: self.capacity, when_full: self.when_full }
    }

    /// How many keys are kept at most. Each takes about 100 bytes besides its policy.
    ///
    /// Default: 10,000. Range: 1 to 1,048,576.
    pub fn capacity(self, keys: usize) -> Self {
        Self { capacity: keys, ..self }
    }

    /// What becomes of a call with a new key when all keys are busy.
    ///
    /// Default: [`WhenFull::Share`].
    pub fn when_full(self, when_full: WhenFull) -> Self {
        Self { when_full, ..self }
    }

    /// Builds the policy, with no keys in it.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<Keyed<P, K>, Invalid>
    where
        P: Policy + Fresh,
    {
        Keyed::new(self.template, self.key, capacity(self.capacity)?, self.when_full)
    }
}

pub(super) fn capacity(keys: usize) -> Result<usize, Invalid> {
    if (1..=LARGEST).contains(&keys) { Ok(keys) } else { Err(Invalid::new("capacity", keys, "1 to 1048576")) }
}
