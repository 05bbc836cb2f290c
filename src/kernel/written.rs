//! Durations as they are written, for people and to be read again.

use std::{fmt, time::Duration};

/// Displays a duration as settings are written: as `{:?}` does, but for no time at all, of which the standard library makes
/// nanoseconds.
pub(crate) struct Written(pub(crate) Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() { f.pad("0s") } else { write!(f, "{:?}", self.0) }
    }
}
