//! A retry for operators, by name.

use super::{RetryLayer, Settings};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    control::{Field, Fields, Text},
};

/// But for those that are no text, such as a backoff that is a function.
fn fields() -> Fields<Settings> {
    Fields {
        names: "attempts, total, backoff, longest_retry_after or rejections",
        all: vec![
            Field::new("attempts", |settings: &mut Settings| &mut settings.attempts),
            Field::new("total", |settings| &mut settings.total),
            Field::of_some("backoff", read_backoff, |settings, backoff| settings.backoff = backoff),
            Field::new("longest_retry_after", |settings| &mut settings.longest_retry_after),
            Field::new("rejections", |settings| &mut settings.rejections),
        ],
    }
}

fn read_backoff(settings: &mut Settings) -> Option<String> {
    (!settings.backoff.is_custom()).then(|| settings.backoff.to_text())
}

impl<R: Send + Sync, D: Send + Sync, M: Send + Sync> Control for RetryLayer<R, D, M> {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        if self.plan.is_off() {
            return "suspended".to_owned();
        }
        format!("active, the budget pays for {:.1}", self.budget().balance())
    }

    fn force(&self, state: &str) -> Result<(), Invalid> {
        match state {
            "suspended" => self.suspend(),
            "active" => self.resume(),
            _ => return Err(Invalid::new("state", state, "suspended or active")),
        }
        Ok(())
    }

    fn settings(&self) -> Vec<Setting> {
        fields().read(self.plan.settings())
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let changed = fields().write(self.plan.settings(), setting, value)?;
        self.plan.set(&changed.check()?);
        Ok(())
    }
}
