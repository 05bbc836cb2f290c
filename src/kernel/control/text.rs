//! Values in text, as operators write them.

use std::{str::FromStr, time::Duration};

use crate::kernel::{Criticality, Invalid, waiting::Order, written::Written};

/// A value that operators can write and read.
pub(crate) trait Text: Sized {
    fn to_text(&self) -> String;

    /// The value, or that the setting of that name cannot be this.
    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid>;
}

fn number<T: FromStr>(setting: &'static str, text: &str, allowed: &'static str) -> Result<T, Invalid> {
    text.parse().map_err(|_| Invalid::new(setting, text, allowed))
}

/// What is not negative, has no fraction, and is not too large to be a count of anything.
const WHOLE: &str = "a whole number in range";

impl Text for u32 {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid> {
        number(setting, text, WHOLE)
    }
}

impl Text for usize {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid> {
        number(setting, text, WHOLE)
    }
}

/// No number between a hundred-thousandth and a million takes more.
const MOST_DIGITS: usize = 24;

impl Text for f64 {
    /// Numbers next to zero have more digits than anybody would write, or may.
    fn to_text(&self) -> String {
        let plain = self.to_string();
        if plain.len() > MOST_DIGITS { format!("{self:e}") } else { plain }
    }

    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid> {
        number(setting, text, "a number")
    }
}

impl Text for bool {
    fn to_text(&self) -> String {
        if *self { "yes".to_owned() } else { "no".to_owned() }
    }

    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid> {
        match text {
            "yes" | "true" => Ok(true),
            "no" | "false" => Ok(false),
            _ => Err(Invalid::new(setting, text, "yes or no")),
        }
    }
}

impl Text for Criticality {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid> {
        Self::read(text).ok_or_else(|| Invalid::new(setting, text, Self::SPELLINGS))
    }
}

/// Digits, with a point or without, and a unit.
impl Text for Duration {
    fn to_text(&self) -> String {
        Written(*self).to_string()
    }

    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid> {
        parse(text).ok_or_else(|| Invalid::new(setting, text, "a duration such as 250ms, 1.5s or 2m"))
    }
}

/// `none`, or a value.
impl<T: Text> Text for Option<T> {
    fn to_text(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), T::to_text)
    }

    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid> {
        if text == "none" { Ok(None) } else { T::from_text(setting, text).map(Some) }
    }
}

/// A duration and a ratio, with a space between them.
impl Text for (Duration, f64) {
    fn to_text(&self) -> String {
        format!("{} {}", Written(self.0), self.1.to_text())
    }

    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid> {
        let (duration, ratio) = text
            .split_once(' ')
            .ok_or_else(|| Invalid::new(setting, text, "a duration and a ratio, such as `5s 0.9`"))?;
        Ok((Duration::from_text(setting, duration)?, f64::from_text(setting, ratio.trim())?))
    }
}

impl Text for Order {
    fn to_text(&self) -> String {
        match self {
            Self::Fifo => "fifo".to_owned(),
            Self::Adaptive { after } => format!("adaptive {}", Written(*after)),
        }
    }

    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid> {
        match text.split_once(' ') {
            None if text == "fifo" => Ok(Self::Fifo),
            Some(("adaptive", after)) => Ok(Self::Adaptive { after: Duration::from_text(setting, after.trim())? }),
            _ => Err(Invalid::new(setting, text, "`fifo`, or `adaptive` and a duration, such as `adaptive 100ms`")),
        }
    }
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
            Duration::ZERO,
        ] {
            assert_eq!(parse(&format!("{duration:?}")), Some(duration), "{duration:?}");
            assert_eq!(parse(&duration.to_text()), Some(duration), "{duration:?}");
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
