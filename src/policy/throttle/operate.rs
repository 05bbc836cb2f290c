//! A throttle for operators, by name.

use super::{AdaptiveThrottle, Builder, config::Choice};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    control::{Field, Fields, Text},
};

fn fields<R: 'static>() -> Fields<Builder<R>> {
    Fields {
        names: "aggression, keen_aggression, keen_after, cap, time_constant or coin",
        all: vec![
            Field::new("aggression", |builder| &mut builder.settings.aggression),
            Field::new("keen_aggression", |builder| &mut builder.settings.keen_aggression),
            Field::new("keen_after", |builder| &mut builder.settings.keen_after),
            Field::new("cap", |builder| &mut builder.settings.cap),
            Field::new("time_constant", |builder| &mut builder.settings.time_constant),
            Field::new("coin", |builder| &mut builder.settings.coin),
        ],
    }
}

impl Text for Choice {
    fn to_text(&self) -> String {
        let text = match self {
            Self::ByRank => "no",
            Self::ByCoin => "yes",
        };
        text.to_owned()
    }

    fn from_text(setting: &'static str, text: &str) -> Result<Self, Invalid> {
        match text {
            "no" => Ok(Self::ByRank),
            "yes" => Ok(Self::ByCoin),
            _ => Err(Invalid::new(setting, text, "yes or no")),
        }
    }
}

impl<R: Clone + Send + Sync + 'static> Control for AdaptiveThrottle<R> {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        Self::state(self).to_string()
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        match state {
            "calm" | "reset" => self.reset(),
            _ => return Err(Invalid::new("state", state, "calm or reset")),
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
