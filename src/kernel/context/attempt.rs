use std::{fmt, num::NonZeroU32};

/// Which try of a call this is. The first is the original; all others are extra load.
///
/// ```
/// use cofferdam::Attempt;
///
/// let original = Attempt::FIRST;
/// assert!(!original.is_extra());
///
/// let second = original.next();
/// assert_eq!((second.number(), second.previous()), (2, 1));
/// assert!(second.is_extra());
/// assert_eq!(Attempt::new(0), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(NonZeroU32);

impl Attempt {
    /// The original.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The attempt of that number; there is none of number zero.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number, from 1 on.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// How many attempts came before it, from 0 on.
    #[must_use]
    pub const fn previous(self) -> u32 {
        self.0.get() - 1
    }

    /// The one after it. The last that has a number is followed by itself.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// That many after it.
    pub(super) const fn plus(self, more: u32) -> Self {
        Self(self.0.saturating_add(more))
    }

    /// Whether it is not the original.
    #[must_use]
    pub const fn is_extra(self) -> bool {
        self.number() > 1
    }
}

impl Default for Attempt {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
