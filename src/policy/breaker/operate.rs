//! A breaker for operators, by name.

use std::time::Duration;

use super::{Builder, CircuitBreaker};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    control::{Field, Fields, Text},
    window::Span,
};

fn fields() -> Fields<Builder> {
    let window = |builder: &mut Builder| match builder.settings.window {
        Span::Time(length) => Some(length.to_text()),
        Span::Calls(_) => None,
    };
    let window_calls = |builder: &mut Builder| match builder.settings.window {
        Span::Time(_) => None,
        Span::Calls(calls) => Some(calls.to_text()),
    };
    Fields {
        names: "failure_ratio, overloads, slow_calls, stall, consecutive_failures, minimum_calls, window, window_calls, open_time, \
                open_time_growth, open_time_max, open_time_jitter, probes, probe_failure_ratio, probe_lease or ramp",
        all: vec![
            Field::new("failure_ratio", |builder| &mut builder.settings.failure_ratio),
            Field::new("overloads", |builder| &mut builder.settings.overloads),
            Field::new("slow_calls", |builder| &mut builder.settings.slow_calls),
            Field::new("stall", |builder| &mut builder.settings.stall),
            Field::new("consecutive_failures", |builder| &mut builder.settings.consecutive_failures),
            Field::new("minimum_calls", |builder| &mut builder.settings.minimum_calls),
            Field::of_some("window", window, |builder, length: Duration| builder.settings.window = Span::Time(length)),
            Field::of_some("window_calls", window_calls, |builder, calls| builder.settings.window = Span::Calls(calls)),
            Field::new("open_time", |builder| &mut builder.settings.open_time),
            Field::new("open_time_growth", |builder| &mut builder.settings.open_time_growth),
            Field::new("open_time_max", |builder| &mut builder.settings.open_time_max),
            Field::new("open_time_jitter", |builder| &mut builder.settings.open_time_jitter),
            Field::new("probes", |builder| &mut builder.settings.probes),
            Field::new("probe_failure_ratio", |builder| &mut builder.settings.probe_failure_ratio),
            Field::new("probe_lease", |builder| &mut builder.settings.probe_lease),
            Field::new("ramp", |builder| &mut builder.settings.ramp),
        ],
    }
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
        fields().read(self.settings())
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let changed = fields().write(self.settings(), setting, value)?;
        Self::configure(self, |_| changed)
    }
}
