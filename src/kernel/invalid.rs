//! The one configuration error.

use std::{error::Error, fmt, time::Duration};

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
}

impl Invalid {
    /// For builders of your own: `field` cannot be `value`, it must be `allowed`.
    pub fn new(field: &'static str, value: impl fmt::Display, allowed: &'static str) -> Self {
        Self { place: String::new(), field, value: value.to_string(), allowed }
    }

    /// Checks a duration, for builders of your own too: above zero, and at most 100 years.
    ///
    /// # Errors
    ///
    /// [`Invalid`] otherwise.
    pub fn unless_duration(field: &'static str, value: Duration) -> Result<Duration, Self> {
        if value.is_zero() || value > LONGEST {
            return Err(Self::new(field, format_args!("{value:?}"), "above zero, at most 100 years"));
        }
        Ok(value)
    }

    /// The setting that was refused.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// The setting with the part that it belongs to, such as `breaker.open_time`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}{}", self.place, self.field)
    }

    /// The same, as a setting of a part of something larger.
    #[must_use]
    pub fn within(self, part: &str) -> Self {
        Self { place: format!("{part}.{}", self.place), ..self }
    }

    /// The value that it was given.
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
        write!(f, "`{}{}` cannot be {}: it must be {}", self.place, self.field, self.value, self.allowed)
    }
}

impl Error for Invalid {}
