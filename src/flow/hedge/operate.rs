//! A hedge for operators, by name.

use super::{Builder, HedgeLayer};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    control::{Field, Fields},
    written::Written,
};

fn fields() -> Fields<Builder<(), (), ()>> {
    Fields {
        names: "extra, fixed_delay, share, shortest_delay or longest_delay",
        all: vec![
            Field::new("extra", |builder: &mut Builder<(), (), ()>| &mut builder.own.extra),
            Field::new("fixed_delay", |builder| &mut builder.own.fixed),
            Field::new("share", |builder| &mut builder.own.share),
            Field::new("shortest_delay", |builder| &mut builder.own.shortest),
            Field::new("longest_delay", |builder| &mut builder.own.longest),
        ],
    }
}

impl<R: Send + Sync, D: Send + Sync, M: Send + Sync> Control for HedgeLayer<R, D, M> {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        let counts = self.counts();
        match self.delay() {
            _ if self.plan.is_off() => "suspended".to_owned(),
            None => "learning".to_owned(),
            Some(delay) => {
                format!("after {}: {} sent, {} won", Written(delay), counts.sent, counts.won)
            }
        }
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        match state {
            "suspended" => self.suspend(),
            "active" => self.resume(),
            "reset" => self.reset(),
            _ => return Err(Invalid::new("state", state, "suspended, active or reset")),
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
