//! A pool and its shares for operators, by name.

use super::{Pool, Share};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    control::{Field, Fields},
};

fn fields() -> Fields<usize> {
    Fields { names: "slots", all: vec![Field::new("slots", |slots| slots)] }
}

impl Control for Pool {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        format!("{} of {} taken, {} shares", self.in_use(), self.slots(), self.shares())
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        Err(Invalid::new("state", state, "left alone: a pool has nothing to force"))
    }

    /// None where the slots are those of a limit, which is set itself.
    fn settings(&self) -> Vec<Setting> {
        if self.has_fixed_slots() { fields().read(self.slots() as usize) } else { Vec::new() }
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        self.resize(fields().write(self.slots() as usize, setting, value)?)
    }
}

impl Control for Share {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        format!("{}: {} taken, {:.1} guaranteed", Self::state(self), self.in_use(), self.guaranteed())
    }

    /// `reset` forgets what was learned, and whether it was contained.
    fn force(&self, state: &str) -> Result<(), Invalid> {
        match state {
            "reset" => self.reset(),
            _ => return Err(Invalid::new("state", state, "reset")),
        }
        Ok(())
    }

    fn settings(&self) -> Vec<Setting> {
        Vec::new()
    }

    fn configure(&self, setting: &str, _: &str) -> Result<(), Invalid> {
        Err(Invalid::unknown(setting, "none, as what a share is worth is learned"))
    }
}
