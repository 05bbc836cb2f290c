//! The mark of an answer that was given up, on its way to whoever else would try again.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{hops::header_name, retry_after};
use crate::kernel::{Invalid, Name};

/// The header that a response is marked by.
///
/// It is no [`HeaderName`], as every call carries it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Mark {
    #[default]
    Ours,
    Named(Name),
    /// There is none.
    Off,
}

const OURS: &str = "x-request-exhausted";

impl Mark {
    /// The header of that name, or none.
    pub(super) fn new(name: Option<&str>) -> Result<Self, Invalid> {
        let Some(name) = header_name("exhausted_header", name.map(str::to_owned))? else { return Ok(Self::Off) };
        let invalid =
            |_| Invalid::new("exhausted_header", &name, "at most 128 bytes, and one of the 65536 names in use");
        Name::new(name.as_str()).map(Self::Named).map_err(invalid)
    }

    fn name(self) -> Option<&'static str> {
        match self {
            Self::Ours => Some(OURS),
            Self::Named(name) => Some(name.as_str()),
            Self::Off => None,
        }
    }

    /// Whether attempts are counted there: digits, from 1 on. What is none says nothing.
    #[cold]
    pub(super) fn is_in(self, headers: &HeaderMap) -> bool {
        let is_count = |text: &HeaderValue| retry_after::number(text.as_bytes()).is_some_and(|attempts| attempts > 0);
        self.name().is_some_and(|name| headers.get_all(name).iter().any(is_count))
    }

    /// Writes how many attempts were made. Whether it is written at all.
    pub(super) fn write(self, attempts: u32, headers: &mut HeaderMap) -> bool {
        let name = self.name().and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok());
        name.map(|name| headers.insert(name, HeaderValue::from(attempts))).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_marks_and_nothing_else_is() {
        for (text, is_mark) in [
            (&b"1"[..], true),
            (b"4", true),
            (b"99999999999999999999999", true),
            (b"0", false),
            (b"000", false),
            (b"-1", false),
            (b"+4", false),
            (b"4.0", false),
            (b"4 attempts", false),
            (b"true", false),
            (b"", false),
            (b"\xff", false),
        ] {
            let name = HeaderName::from_static(OURS);
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_bytes(text).expect("a value"))]);
            assert_eq!(Mark::Ours.is_in(&headers), is_mark, "{text:?}");
            assert!(!Mark::Off.is_in(&headers));
        }
    }

    #[test]
    fn what_is_written_is_read_under_that_name_alone() {
        let named = Mark::new(Some("X-Given-Up")).expect("a name");
        let mut headers = HeaderMap::new();
        assert!(named.write(4, &mut headers) && !Mark::Off.write(4, &mut headers));
        assert_eq!(headers["x-given-up"], "4");
        assert!(headers.len() == 1 && named.is_in(&headers) && !Mark::Ours.is_in(&headers));
        for name in ["", "x given up", "content-length"] {
            assert_eq!(Mark::new(Some(name)).expect_err(name).field(), "exhausted_header");
        }
    }
}
