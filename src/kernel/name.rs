//! Names that cost four bytes to carry around.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{LazyLock, PoisonError, RwLock},
};

use super::Invalid;

/// The name of a policy or a flow, as it appears in rejections.
///
/// Each distinct name is kept once for the life of the process, and only the first 65,536 of them: name dependencies,
/// not requests. A copy is four bytes.
///
/// ```
/// use cofferdam::Name;
///
/// let name = Name::new("payments")?;
/// assert_eq!(name.as_str(), "payments");
/// assert_eq!(name, Name::new("payments")?);
/// assert!(Name::new("").is_err());
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name(
    /// One more than its place among all of them, so that a name that may be missing takes no more room.
    NonZeroU32,
);

const LONGEST: usize = 128;
const MOST: usize = 65_536;

static NAMES: LazyLock<RwLock<Vec<&'static str>>> = LazyLock::new(RwLock::default);

impl Name {
    /// The name with this text.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if the text is empty, longer than 128 bytes, holds a control character, or if 65,536 other names are
    /// in use already.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(Invalid::new("name", format_args!("{text:?}"), "1 to 128 bytes without control characters"));
        }
        let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = names.iter().position(|known| *known == text) {
            return Ok(Self::at(index as u32));
        }
        if names.len() >= MOST {
            return Err(Invalid::new("name", format_args!("{text:?}"), "one of the 65536 names in use"));
        }
        names.push(Box::leak(text.into()));
        Ok(Self::at(names.len() as u32 - 1))
    }

    #[inline]
    const fn at(place: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(place))
    }

    #[inline]
    const fn place(self) -> u32 {
        self.0.get() - 1
    }

    /// Its number: there are no more than fit.
    #[inline]
    pub(super) fn index(self) -> u16 {
        self.place() as u16
    }

    #[inline]
    pub(super) fn of_index(index: u16) -> Self {
        Self::at(index as u32)
    }

    /// Its text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
        names.get(self.place() as usize).copied().unwrap_or("?")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
