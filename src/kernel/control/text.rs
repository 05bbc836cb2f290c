//! Values in text, as operators write them.

use std::{str::FromStr, time::Duration};

use crate::kernel::Invalid;

/// A number, if it is one.
pub(crate) fn number<T: FromStr>(field: &'static str, text: &str) -> Result<T, Invalid> {
    text.parse().map_err(|_| Invalid::new(field, text, "a number in range"))
}

/// `none`, or a value.
pub(crate) fn none_or<T>(text: &str, value: impl FnOnce(&str) -> Result<T, Invalid>) -> Result<Option<T>, Invalid> {
    if text == "none" { Ok(None) } else { value(text).map(Some) }
}

/// Two values with a space between them.
pub(crate) fn pair<'t>(field: &'static str, text: &'t str, form: &'static str) -> Result<(&'t str, &'t str), Invalid> {
    text.split_once(' ').map(|(first, second)| (first, second.trim())).ok_or_else(|| Invalid::new(field, text, form))
}

/// A duration: digits, with a point or without, and a unit.
pub(crate) fn duration(field: &'static str, text: &str) -> Result<Duration, Invalid> {
    parse(text).ok_or_else(|| Invalid::new(field, text, "a duration such as 250ms, 1.5s or 2m"))
}

fn parse(text: &str) -> Option<Duration> {
    let unit_at = text.find(|character: char| !character.is_ascii_digit() && character != '.')?;
    let (number, unit) = text.split_at(unit_at);
    let nanos: u128 = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let whole = u128::from(whole.parse::<u64>().ok()?) * nanos;
    let part = u128::from(fraction.parse::<u64>().ok()?) * nanos / 10_u128.pow(fraction.len() as u32);
    let all = whole + part;
    let seconds = u64::try_from(all / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, (all % 1_000_000_000) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_durations_are_printed_as() {
        for duration in [
            Duration::from_nanos(1),
            Duration::from_micros(90),
            Duration::from_micros(1_500),
            Duration::from_millis(750),
            Duration::from_millis(1_030),
            Duration::from_secs(3_600),
            Duration::MAX,
        ] {
            assert_eq!(parse(&format!("{duration:?}")), Some(duration), "{duration:?}");
        }
        assert_eq!(parse("2m"), Some(Duration::from_secs(120)));
        assert_eq!(parse("1.5h"), Some(Duration::from_secs(5_400)));
        assert_eq!(parse("90us"), Some(Duration::from_micros(90)));
    }

    #[test]
    fn reads_nothing_else() {
        let cases = ["", "1", "s", ".5s", "1.s", "-1s", "+1s", "1 s", "1e3s", "1.2.3s", "1d", "١s", "0.1234567890s"];
        for text in cases.into_iter().chain(["99999999999999999999s", "NaNs", "infs"]) {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
