//! A budget for operators, by name.

use super::{Budget, Relaxed, TOKEN, UNLIMITED};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    control::{Field, Fields},
};

/// What can be set.
struct Settings {
    ratio: f64,
    in_flight: Option<u32>,
}

fn fields() -> Fields<Settings> {
    Fields {
        names: "ratio or in_flight",
        all: vec![
            Field::new("ratio", |settings: &mut Settings| &mut settings.ratio),
            Field::new("in_flight", |settings| &mut settings.in_flight),
        ],
    }
}

impl Budget {
    fn settings(&self) -> Settings {
        let most = self.0.most.load(Relaxed);
        Settings {
            ratio: f64::from(self.0.ratio.load(Relaxed)) / TOKEN as f64,
            in_flight: (most != UNLIMITED).then_some(most),
        }
    }
}

impl Control for Budget {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        format!("pays for {:.1}, {} in flight", self.balance(), self.in_flight())
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        Err(Invalid::new("state", state, "left alone: there is none to force"))
    }

    fn settings(&self) -> Vec<Setting> {
        fields().read(Self::settings(self))
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let Settings { ratio, in_flight } = fields().write(Self::settings(self), setting, value)?;
        if setting == "ratio" { self.set_ratio(ratio) } else { self.set_in_flight(in_flight) }
    }
}
