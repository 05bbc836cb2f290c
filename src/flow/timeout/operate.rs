//! A timeout for operators, by name.

use super::{TimeoutLayer, live::Limits};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    context::Bounds,
    control::{Field, Fields},
};

fn fields() -> Fields<Limits> {
    Fields {
        names: "attempt or between_frames",
        all: vec![
            Field::new("attempt", |limits: &mut Limits| &mut limits.attempt),
            Field::new("between_frames", |limits| &mut limits.between_frames),
        ],
    }
}

impl<D: Bounds + Send + Sync, M: Send + Sync> Control for TimeoutLayer<D, M> {
    fn name(&self) -> Name {
        self.live.name
    }

    fn state(&self) -> String {
        self.live.limits().attempt.map_or_else(
            || "no limit of its own".to_owned(),
            |limit| format!("{} at most", crate::kernel::written::Written(limit)),
        )
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        Err(Invalid::new("state", state, "left alone: there is none to force"))
    }

    fn settings(&self) -> Vec<Setting> {
        fields().read(self.live.limits())
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let changed = fields().write(self.live.limits(), setting, value)?;
        self.live.set(changed.check::<D>()?);
        Ok(())
    }
}
