//! `Retry-After`, in both its forms.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};

use crate::kernel::clock;

/// How long the sender asks to be left alone. What is not understood is not asked.
pub(super) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    parse(text, clock::calendar())
}

/// Seconds, or a date: one that has passed asks for nothing. Whoever uses the result caps it.
pub(super) fn parse(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Some(seconds) = number(text.as_bytes()) {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Digits and nothing else. More of them than a number holds are still a long time.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let next = |number: u64, byte: &u8| Some(number.saturating_mul(10).saturating_add(digit(byte)?));
    if text.is_empty() { None } else { text.iter().try_fold(0, next) }
}

/// Whole seconds, rounded up, so that nobody comes back too early.
pub(super) fn write(after: Duration) -> HeaderValue {
    HeaderValue::from(after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_dates_and_nothing_else() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let cases = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("9223372037", Some(9_223_372_037)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-1", None),
            ("1e9", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("\u{663}", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, now), expected.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn writes_whole_seconds_rounded_up() {
        assert_eq!(write(Duration::from_millis(1)), "1");
        assert_eq!(write(Duration::from_secs(2)), "2");
        assert_eq!(write(Duration::MAX), u64::MAX.to_string());
    }
}
