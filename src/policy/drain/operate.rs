//! A drain for operators, by name.

use super::{Builder, Drain};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    control::{Field, Fields},
};

fn fields<X: 'static>() -> Fields<Builder<X>> {
    Fields {
        names: "grace or deadline",
        all: vec![
            Field::new("grace", |builder| &mut builder.grace),
            Field::new("deadline", |builder| &mut builder.deadline),
        ],
    }
}

/// Forced to be `drained` it begins to drain, and forced to be `ready` it resumes. Whoever keeps the time of a drain that an
/// operator may begin awaits [`Drain::finished`].
impl<X: Clone + Send + Sync + 'static> Control for Drain<X> {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        format!("{}, {} in flight", Self::state(self), self.in_flight())
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        match state {
            "drained" => drop(self.begin()),
            "ready" if self.resume() => {}
            "ready" => return Err(Invalid::new("state", state, "left alone: calls have been cut already")),
            _ => return Err(Invalid::new("state", state, "drained or ready")),
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
