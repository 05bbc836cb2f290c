//! Settings of a whole stack in text.

/// Settings by their path and in text, for a whole stack at once: from a file, the environment, an admin endpoint.
///
/// Each is a part and its setting, such as `breaker.open_time`, and a value as [`Control`](crate::Control) takes it. They
/// are made in the order in which they are given, and checked where they are made; one that another of them has to make room for
/// waits for that, so a file need not know which goes first. Of one setting the last value holds.
///
/// A part alone, such as `hedge`, is `off` or `on` (as well: `no` or `yes`, `false` or `true`): left out of the stack, or in it as by
/// default. The last word of a part holds, over what the builder was told as well. That is decided when the stack is built; while it
/// runs, a part may be said to be as it is, so that a file can be read again, and everything else is [`Invalid`](crate::Invalid).
/// A server has `drain` and `shedding` to be left out, a client `retry`, `hedge`, `breaker`, `throttle` and `limit`.
///
/// With the feature `serde` it is read from a table of tables:
///
/// ```toml
/// [breaker]
/// open_time = "2s"
/// minimum_calls = 20
///
/// [retry]
/// attempts = 2
/// ```
///
/// and what is left out before the first of the tables: `hedge = false`. There, or in a map that has no tables, a setting may also be
/// given by its path: `"retry.attempts" = 2`.
///
/// ```
/// use cofferdam::presets::Config;
///
/// let config = Config::default().set("breaker.open_time", "2s").set("retry.attempts", "2");
/// let stack = cofferdam::http::client("payments").config(&config).build()?;
///
/// // While it runs: all of them, or none.
/// stack.apply(&Config::default().set("breaker.open_time", "3s"))?;
/// let invalid = stack.apply(&Config::default().set("breaker.open_time", "4s").set("breaker.probes", "none")).unwrap_err();
/// assert_eq!(invalid.path(), "breaker.probes");
/// assert!(stack.explain().to_string().contains("3s"));
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config(Vec<(String, String)>);

impl Config {
    /// Adds a setting.
    #[must_use]
    pub fn set(mut self, path: impl Into<String>, value: impl Into<String>) -> Self {
        self.add(path.into(), value.into());
        self
    }

    /// The settings with their paths, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, value)| (&**path, &**value))
    }

    pub(super) fn add(&mut self, path: String, value: String) {
        self.0.push((path, value));
    }

    /// Of each part that is said to be there or not, the last word.
    pub(super) fn keep_last_of_parts(&mut self) {
        let all = std::mem::take(&mut self.0);
        for (index, (path, value)) in all.iter().enumerate() {
            let is_taken_back = !path.contains('.') && all[index + 1..].iter().any(|(later, _)| later == path);
            if !is_taken_back {
                self.add(path.clone(), value.clone());
            }
        }
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }
}

#[cfg(feature = "serde")]
mod read {
    use std::fmt;

    use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

    use super::Config;

    /// Nobody has more to say of a stack.
    const MOST: usize = 256;

    impl<'de> Deserialize<'de> for Config {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let mut config = Self::default();
            deserializer.deserialize_map(Parts(&mut config))?;
            Ok(config)
        }
    }

    /// The parts of a stack, each a table.
    struct Parts<'c>(&'c mut Config);

    impl<'de> Visitor<'de> for Parts<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table of the parts of a stack")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut parts: A) -> Result<(), A::Error> {
            while let Some(part) = parts.next_key::<String>()? {
                parts.next_value_seed(Settings { config: self.0, part: &part })?;
            }
            Ok(())
        }
    }

    /// The settings of one part.
    struct Settings<'c> {
        config: &'c mut Config,
        part: &'c str,
    }

    impl<'de> DeserializeSeed<'de> for Settings<'_> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            if self.part.contains('.') {
                // It is the path of one setting.
                let (path, value) = (self.part.to_owned(), Value(self.part).deserialize(deserializer)?);
                return self.add(path, value);
            }
            deserializer.deserialize_any(self)
        }
    }

    impl Settings<'_> {
        fn add<E: Error>(self, path: String, value: String) -> Result<(), E> {
            if self.config.0.len() == MOST {
                return Err(E::custom("more than 256 settings"));
            }
            self.config.add(path, value);
            Ok(())
        }
    }

    impl<'de> Visitor<'de> for Settings<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a table of the settings of `{}`, or whether it is there, `true` or `false`", self.part)
        }

        fn visit_bool<E: Error>(self, on: bool) -> Result<(), E> {
            let (path, value) = (self.part.to_owned(), on.to_string());
            self.add(path, value)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
            let path = self.part.to_owned();
            self.add(path, text.to_owned())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut settings: A) -> Result<(), A::Error> {
            while let Some(setting) = settings.next_key::<String>()? {
                let path = format!("{}.{setting}", self.part);
                let value = settings.next_value_seed(Value(&path))?;
                Settings { config: &mut *self.config, part: self.part }.add(path, value)?;
            }
            Ok(())
        }
    }

    /// The value of a setting, as it is written in text. It knows of which, so that an error can say so.
    struct Value<'p>(&'p str);

    impl<'de> DeserializeSeed<'de> for Value<'_> {
        type Value = String;

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
            deserializer.deserialize_any(self)
        }
    }

    impl<'de> Visitor<'de> for Value<'_> {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a text, a number, `true`, `false` or nothing for `{}`", self.0)
        }

        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_bool<E>(self, value: bool) -> Result<String, E> {
            Ok(value.to_string())
        }

        fn visit_u64<E>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_i64<E>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_f64<E>(self, number: f64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_unit<E>(self) -> Result<String, E> {
            Ok("none".to_owned())
        }

        fn visit_none<E>(self) -> Result<String, E> {
            Ok("none".to_owned())
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
            deserializer.deserialize_any(self)
        }
    }
}
