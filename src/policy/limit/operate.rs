//! An adaptive limit for operators, by name.

use super::{AdaptiveLimit, Algorithm, Builder};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    control::{Field, Fields},
};

fn fields() -> Fields<Builder<(), ()>> {
    Fields {
        names: "min_limit, max_limit or patience",
        all: vec![
            Field::new("min_limit", |builder: &mut Builder<(), ()>| &mut builder.settings.min_limit),
            Field::new("max_limit", |builder| &mut builder.settings.max_limit),
            Field::new("patience", |builder| &mut builder.settings.patience),
        ],
    }
}

impl<A: Algorithm, D: Send + Sync> Control for AdaptiveLimit<A, D> {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        format!("{} of {} taken", self.in_flight(), self.limit())
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        Err(Invalid::new("state", state, "left alone: an adaptive limit has nothing to force, but bounds to set"))
    }

    fn settings(&self) -> Vec<Setting> {
        fields().read(self.settings())
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let changed = fields().write(self.settings(), setting, value)?;
        Self::configure(self, |_| changed)
    }
}
