//! The one configuration error.

use std::{error::Error, fmt, time::Duration};

use super::written::Written;

/// Anything longer is a mistake, and added to a moment it might not be a moment any more.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A setting that cannot be: which field, the value it was given, and what it may be.
///
/// ```
/// use cofferdam::Bulkhead;
///
/// let invalid = Bulkhead::builder("checkout").limit(0).build().unwrap_err();
/// assert_eq!(invalid.field(), "limit");
/// assert_eq!(invalid.to_string(), "`limit` cannot be 0: it must be 1 to 2147483647");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Where the field is, with a point at its end.
    place: String,
    field: &'static str,
    value: String,
    allowed: &'static str,
    /// Whether there is such a field. If not, the value is its name.
    is_known: bool,
}

/// What is longer is no name, in characters.
const LONGEST_NAME: usize = 64;

impl Invalid {
    /// For builders of your own: `field` cannot be `value`, it must be `allowed`.
    pub fn new(field: &'static str, value: impl fmt::Display, allowed: &'static str) -> Self {
        Self { place: String::new(), field, value: value.to_string(), allowed, is_known: true }
    }

    /// For settings by name, of your own too: there is no `setting`, but there is `allowed`.
    ///
    /// ```
    /// use cofferdam::Invalid;
    ///
    /// let invalid = Invalid::unknown("colour", "size or weight").within("parcel");
    /// assert_eq!(invalid.to_string(), "`parcel.colour` is not a setting: it must be size or weight");
    /// ```
    #[must_use]
    pub fn unknown(setting: &str, allowed: &'static str) -> Self {
        let value = setting.chars().take(LONGEST_NAME).collect();
        Self { place: String::new(), field: "setting", value, allowed, is_known: false }
    }

    /// Checks a duration, for builders of your own too: above zero, and at most 100 years.
    ///
    /// # Errors
    ///
    /// [`Invalid`] otherwise.
    pub fn unless_duration(field: &'static str, value: Duration) -> Result<Duration, Self> {
        if value.is_zero() || value > LONGEST {
            return Err(Self::new(field, Written(value), "above zero, at most 100 years"));
        }
        Ok(value)
    }

    /// The setting that was refused; `setting` if there is none of that name.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// Whether there is such a setting.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) fn is_known(&self) -> bool {
        self.is_known
    }

    /// The setting with the part that it belongs to, such as `breaker.open_time`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}{}", self.place, if self.is_known { self.field } else { &self.value })
    }

    /// The same, as a setting of a part of something larger.
    #[must_use]
    pub fn within(self, part: &str) -> Self {
        Self { place: format!("{part}.{}", self.place), ..self }
    }

    /// The value that it was given, or the name that no setting has.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What it may be instead.
    #[must_use]
    pub fn allowed(&self) -> &'static str {
        self.allowed
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, field, value, allowed, is_known } = self;
        if *is_known {
            write!(f, "`{place}{field}` cannot be {value}: it must be {allowed}")
        } else {
            write!(f, "`{place}{value}` is not a setting: it must be {allowed}")
        }
    }
}

impl Error for Invalid {}
