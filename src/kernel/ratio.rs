//! A share of a whole.

use super::Invalid;

/// A share, from 0 to 1 and never anything else.
///
/// ```
/// use cofferdam::Ratio;
///
/// let half = Ratio::new(0.5)?;
/// assert!(half.is_reached(5, 10));
/// assert!(!half.is_reached(4, 10));
/// assert!(Ratio::new(f64::NAN).is_err());
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ratio(f64);

impl Ratio {
    /// Checks a share.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless the value is from 0 to 1.
    pub fn new(value: f64) -> Result<Self, Invalid> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err(Invalid::new("ratio", value, "0 to 1")) }
    }

    /// A share that some calls must reach: zero would always be reached.
    pub(crate) fn threshold(field: &'static str, value: f64) -> Result<Self, Invalid> {
        match Self::new(value) {
            Ok(ratio) if value > 0.0 => Ok(ratio),
            _ => Err(Invalid::new(field, value, "above 0, at most 1")),
        }
    }

    /// The share as a number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// Whether `part` of `whole` is at least this share. Nothing of nothing is no share.
    ///
    /// It divides rather than multiplies: 7 / 100 is exactly what the literal `0.07` says, 0.07 * 100 is above 7.
    #[must_use]
    pub fn is_reached(self, part: u64, whole: u64) -> bool {
        whole > 0 && part as f64 / whole as f64 >= self.0
    }
}
