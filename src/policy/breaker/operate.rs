//! A breaker for operators, by name.

use super::{Builder, CircuitBreaker};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    control::{Field, Fields, duration, none_or, number, pair},
    window::Span,
};

const FIELDS: Fields<'static, Builder> = Fields {
    names: "failure_ratio, slow_calls, consecutive_failures, minimum_calls, window, window_calls, open_time, \
            open_time_growth, open_time_max, open_time_jitter, probes, probe_failure_ratio, probe_lease or ramp",
    all: &[
        Field {
            name: "failure_ratio",
            read: |builder| Some(text(builder.settings.failure_ratio)),
            write: |builder, value| {
                builder.settings.failure_ratio = none_or(value, |value| number("failure_ratio", value))?;
                Ok(())
            },
        },
        Field {
            name: "slow_calls",
            read: |builder| {
                let slow = builder.settings.slow_calls;
                Some(text(slow.map(|(threshold, ratio)| format!("{threshold:?} {ratio}"))))
            },
            write: |builder, value| {
                builder.settings.slow_calls = none_or(value, |value| {
                    let (threshold, ratio) = pair("slow_calls", value, "a duration and a ratio, such as `5s 0.9`")?;
                    Ok((duration("slow_calls", threshold)?, number("slow_calls", ratio)?))
                })?;
                Ok(())
            },
        },
        Field {
            name: "consecutive_failures",
            read: |builder| Some(text(builder.settings.consecutive_failures)),
            write: |builder, value| {
                let failures = none_or(value, |value| number("consecutive_failures", value))?;
                builder.settings.consecutive_failures = failures;
                Ok(())
            },
        },
        Field {
            name: "minimum_calls",
            read: |builder| Some(builder.settings.minimum_calls.to_string()),
            write: |builder, value| {
                builder.settings.minimum_calls = number("minimum_calls", value)?;
                Ok(())
            },
        },
        Field {
            name: "window",
            read: |builder| match builder.settings.window {
                Span::Time(length) => Some(format!("{length:?}")),
                Span::Calls(_) => None,
            },
            write: |builder, value| {
                builder.settings.window = Span::Time(duration("window", value)?);
                Ok(())
            },
        },
        Field {
            name: "window_calls",
            read: |builder| match builder.settings.window {
                Span::Time(_) => None,
                Span::Calls(calls) => Some(calls.to_string()),
            },
            write: |builder, value| {
                builder.settings.window = Span::Calls(number("window_calls", value)?);
                Ok(())
            },
        },
        Field {
            name: "open_time",
            read: |builder| Some(format!("{:?}", builder.settings.open_time)),
            write: |builder, value| {
                builder.settings.open_time = duration("open_time", value)?;
                Ok(())
            },
        },
        Field {
            name: "open_time_growth",
            read: |builder| Some(builder.settings.open_time_growth.to_string()),
            write: |builder, value| {
                builder.settings.open_time_growth = number("open_time_growth", value)?;
                Ok(())
            },
        },
        Field {
            name: "open_time_max",
            read: |builder| Some(format!("{:?}", builder.settings.open_time_max)),
            write: |builder, value| {
                builder.settings.open_time_max = duration("open_time_max", value)?;
                Ok(())
            },
        },
        Field {
            name: "open_time_jitter",
            read: |builder| Some(builder.settings.open_time_jitter.to_string()),
            write: |builder, value| {
                builder.settings.open_time_jitter = number("open_time_jitter", value)?;
                Ok(())
            },
        },
        Field {
            name: "probes",
            read: |builder| Some(builder.settings.probes.to_string()),
            write: |builder, value| {
                builder.settings.probes = number("probes", value)?;
                Ok(())
            },
        },
        Field {
            name: "probe_failure_ratio",
            read: |builder| Some(builder.settings.probe_failure_ratio.to_string()),
            write: |builder, value| {
                builder.settings.probe_failure_ratio = number("probe_failure_ratio", value)?;
                Ok(())
            },
        },
        Field {
            name: "probe_lease",
            read: |builder| Some(format!("{:?}", builder.settings.probe_lease)),
            write: |builder, value| {
                builder.settings.probe_lease = duration("probe_lease", value)?;
                Ok(())
            },
        },
        Field {
            name: "ramp",
            read: |builder| Some(text(builder.settings.ramp.map(|ramp| format!("{ramp:?}")))),
            write: |builder, value| {
                builder.settings.ramp = none_or(value, |value| duration("ramp", value))?;
                Ok(())
            },
        },
    ],
};

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

impl Control for CircuitBreaker {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        Self::state(self).to_string()
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        match state {
            "open" | "forced-open" => self.force_open(),
            "closed" | "forced-closed" => self.force_closed(),
            "disabled" => self.disable(),
            "reset" => self.reset(),
            _ => return Err(Invalid::new("state", state, "open, closed, disabled or reset")),
        }
        Ok(())
    }

    fn settings(&self) -> Vec<Setting> {
        FIELDS.read(&self.settings())
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let mut builder = self.settings();
        FIELDS.write(&mut builder, setting, value)?;
        Self::configure(self, |_| builder)
    }
}
