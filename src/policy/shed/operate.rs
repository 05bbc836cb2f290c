//! Load shedding for operators, by name: its settings are those of its limit, and how many calls may wait.

use super::LoadShed;
use crate::{
    kernel::{
        Control, Invalid, Name, Setting,
        control::{Field, Fields},
    },
    policy::limit::Algorithm,
};

fn fields() -> Fields<usize> {
    Fields { names: "min_limit, max_limit, patience or max_queue", all: vec![Field::new("max_queue", |length| length)] }
}

impl<A: Algorithm, D: Clone + Send + Sync, R: Send + Sync> Control for LoadShed<A, D, R> {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        format!("{}, {} waiting", Control::state(self.limit()), self.waiting())
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        Control::force(self.limit(), state)
    }

    fn settings(&self) -> Vec<Setting> {
        let mut settings = Control::settings(self.limit());
        settings.extend(fields().read(self.max_queue()));
        settings
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        if Control::settings(self.limit()).iter().any(|of_limit| of_limit.name == setting) {
            Control::configure(self.limit(), setting, value)?;
            // There may be room for those who wait.
            self.advance();
            return Ok(());
        }
        self.set_max_queue(fields().write(self.max_queue(), setting, value)?)
    }
}
