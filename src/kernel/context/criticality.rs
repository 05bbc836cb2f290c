use std::{fmt, str::FromStr};

use crate::kernel::Invalid;

/// How much a request matters when not all of them can be served.
///
/// The four classes are those of Google's *Site Reliability Engineering* (chapter 21), and are spelled as there. They
/// are ordered: what matters more is greater. A class is chosen where a request begins, and travels with it.
///
/// Read from text, upper and lower case are the same, and so are `_` and `-`.
///
/// ```
/// use cofferdam::Criticality;
///
/// assert!(Criticality::CriticalPlus > Criticality::Sheddable);
/// assert_eq!(Criticality::SheddablePlus.to_string(), "SHEDDABLE_PLUS");
/// assert_eq!("sheddable-plus".parse(), Ok(Criticality::SheddablePlus));
/// assert_eq!(Criticality::default(), Criticality::Critical);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Criticality {
    /// May fail often, even for a whole outage: nobody is waiting for it.
    Sheddable,
    /// May fail for a while: batch jobs, which will try again minutes or hours later.
    SheddablePlus,
    /// Its failure is seen by users. What is not said otherwise is this.
    #[default]
    Critical,
    /// Its failure is seen by users, and is grave.
    CriticalPlus,
}

impl Criticality {
    /// All of them, from what is served first to what is shed first.
    pub const ALL: [Self; 4] = [Self::CriticalPlus, Self::Critical, Self::SheddablePlus, Self::Sheddable];

    pub(crate) const SPELLINGS: &str = "CRITICAL_PLUS, CRITICAL, SHEDDABLE_PLUS or SHEDDABLE";

    /// Its usual spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CriticalPlus => "CRITICAL_PLUS",
            Self::Critical => "CRITICAL",
            Self::SheddablePlus => "SHEDDABLE_PLUS",
            Self::Sheddable => "SHEDDABLE",
        }
    }

    /// Reads a spelling.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let same = |(one, other): (u8, u8)| one.eq_ignore_ascii_case(&other) || (one, other) == (b'-', b'_');
        let spells = |class: &Self| {
            let name = class.as_str();
            text.len() == name.len() && text.bytes().zip(name.bytes()).all(same)
        };
        Self::ALL.into_iter().find(spells)
    }
}

impl fmt::Display for Criticality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Criticality {
    type Err = Invalid;

    /// Reads a setting. What comes from outside is read by [`Trust`](super::Trust).
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::read(text).ok_or_else(|| Invalid::new("criticality", format_args!("{text:?}"), Self::SPELLINGS))
    }
}
