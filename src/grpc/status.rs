//! A gRPC status in a head or in trailers: read, and written.

use std::{borrow::Cow, fmt::Write, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::Code;
use crate::http::retry_after;

static STATUS: HeaderName = HeaderName::from_static("grpc-status");
static MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
static PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// The status, if there is one. One that is no number of a status is unknown.
pub(super) fn code(metadata: &HeaderMap) -> Option<Code> {
    let text = metadata.get(&STATUS)?.as_bytes();
    let number = retry_after::number(text).and_then(|number| u8::try_from(number).ok());
    Some(number.map_or(Code::Unknown, Code::from))
}

/// How long the sender asks to be left alone. A negative number asks not to be tried again at all, of which no time
/// follows; like what is not understood, it asks for nothing here. Whoever uses the result caps it.
pub(super) fn pushback(metadata: &HeaderMap) -> Option<Duration> {
    retry_after::number(metadata.get(&PUSHBACK)?.as_bytes()).map(Duration::from_millis)
}

/// Whether the sender asks not to be tried again: what is there and no time says so.
pub(super) fn forbids_another(metadata: &HeaderMap) -> bool {
    metadata.contains_key(&PUSHBACK) && pushback(metadata).is_none()
}

/// Asks not to be tried again, unless the sender has named a time: by that it said "not now", which is more than this says.
pub(super) fn forbid_another(metadata: &mut HeaderMap) {
    if pushback(metadata).is_none() {
        metadata.insert(&PUSHBACK, HeaderValue::from_static("-1"));
    }
}

/// Writes a status into a head or into trailers.
pub(super) fn write(metadata: &mut HeaderMap, code: Code, message: &str, pushback: Option<Duration>) {
    metadata.insert(&STATUS, HeaderValue::from(code as u16));
    if let Ok(message) = HeaderValue::from_str(&encode(message)) {
        metadata.insert(&MESSAGE, message);
    }
    if let Some(pushback) = pushback {
        metadata.insert(&PUSHBACK, HeaderValue::from(millis(pushback)));
    }
}

/// Whole milliseconds, rounded up, so that nobody comes back too early.
fn millis(after: Duration) -> u64 {
    u64::try_from(after.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// A message as the specification wants it: what is not printable ASCII, and the percent sign, is percent-encoded.
fn encode(message: &str) -> Cow<'_, str> {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%';
    if message.bytes().all(plain) {
        return message.into();
    }
    let mut encoded = String::new();
    for byte in message.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(name: &'static str, text: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_bytes(text).expect("a value"))])
    }

    #[test]
    fn reads_a_status_and_takes_what_is_none_as_unknown() {
        assert_eq!(code(&HeaderMap::new()), None);
        for number in 0..=16 {
            let read = code(&metadata("grpc-status", number.to_string().as_bytes()));
            assert_eq!(read.map(|code| code as u8), Some(number));
        }
        for text in ["17", "255", "256", "270", "-1", "1.0", "", "OK", "99999999999999999999999"] {
            assert_eq!(code(&metadata("grpc-status", text.as_bytes())), Some(Code::Unknown), "{text:?}");
        }
        assert_eq!(code(&metadata("grpc-status", b"\xff\xfe")), Some(Code::Unknown));
    }

    #[test]
    fn reads_milliseconds_and_nothing_else() {
        let cases = [
            ("0", Some(0)),
            ("1500", Some(1500)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("-1", None),
            ("1e3", None),
            ("", None),
            ("soon", None),
        ];
        for (text, expected) in cases {
            let read = pushback(&metadata("grpc-retry-pushback-ms", text.as_bytes()));
            assert_eq!(read, expected.map(Duration::from_millis), "{text:?}");
        }
        assert_eq!(pushback(&metadata("grpc-retry-pushback-ms", b"\xff")), None);
        assert_eq!(pushback(&HeaderMap::new()), None);
    }

    #[test]
    fn writes_what_a_header_can_hold() {
        for (message, encoded) in [
            ("no slot is free", "no slot is free"),
            ("100 % of it", "100 %25 of it"),
            ("two\nlines", "two%0Alines"),
            ("zu sp\u{e4}t", "zu sp%C3%A4t"),
            ("~ and \u{7f}", "~ and %7F"),
        ] {
            let mut metadata = HeaderMap::new();
            write(&mut metadata, Code::Internal, message, Some(Duration::from_micros(1)));
            assert_eq!(metadata["grpc-message"], encoded);
            assert_eq!(metadata["grpc-status"], "13");
            assert_eq!(metadata["grpc-retry-pushback-ms"], "1");
        }
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }
}
