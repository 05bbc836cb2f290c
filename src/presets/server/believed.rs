//! How far a server trusts its callers, for operators: to be read, and to stay as it is.

use crate::kernel::{
    Control, Invalid, Name, Setting,
    context::{Trust, trust},
};

/// What the context of requests is read by, for good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Believed {
    pub(super) name: Name,
    pub(super) trust: Trust,
}

impl Control for Believed {
    fn name(&self) -> Name {
        self.name
    }

    fn state(&self) -> String {
        "as it was built".to_owned()
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        Err(Invalid::new("state", state, "what it is: trust is not forced"))
    }

    fn settings(&self) -> Vec<Setting> {
        trust::fields().read(self.trust.into())
    }

    /// Whoever reads a file again that has these settings changes none of them, and is not to be turned away for that.
    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let asked = trust::fields().write(self.trust.into(), setting, value)?.build()?;
        let Some(known) = self.settings().into_iter().find(|known| known.name == setting && asked != self.trust) else {
            return Ok(());
        };
        Err(Invalid::new(known.name, value, "what it was when the stack was built"))
    }
}
