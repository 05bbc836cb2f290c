//! A budget for operators, by name.

use super::{Budget, Builder, TOKEN, UNLIMITED};
use crate::kernel::{
    Control, Invalid, Name, Setting,
    control::{Field, Fields},
    sync::Ordering::Relaxed,
};

fn fields() -> Fields<Builder> {
    Fields {
        names: "ratio or in_flight",
        all: vec![
            Field::new("ratio", |builder: &mut Builder| &mut builder.ratio),
            Field::new("in_flight", |builder| &mut builder.in_flight),
        ],
    }
}

impl Budget {
    /// A builder that holds what it is set to.
    fn settings(&self) -> Builder {
        let most = self.0.most.load(Relaxed);
        Builder {
            name: self.0.name.to_string(),
            ratio: f64::from(self.0.ratio.load(Relaxed)) / TOKEN as f64,
            in_flight: (most != UNLIMITED).then_some(most),
        }
    }
}

/// ```
/// use cofferdam::{Budget, Control};
///
/// let budget = Budget::builder("payments").build()?;
/// let control: &dyn Control = &budget;
/// assert_eq!(control.state(), "3.0 tokens");
/// control.configure("ratio", "0.02")?;
/// assert!(control.configure("ratio", "0").is_err());
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
impl Control for Budget {
    fn name(&self) -> Name {
        Self::name(self)
    }

    fn state(&self) -> String {
        if self.is_failing() { "failing".to_owned() } else { format!("{:.1} tokens", self.balance()) }
    }

    /// There is none: what it has is earned.
    fn force(&self, state: &str) -> Result<(), Invalid> {
        Err(Invalid::new("state", state, "nothing, as a budget is not forced"))
    }

    fn settings(&self) -> Vec<Setting> {
        fields().read(Self::settings(self))
    }

    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid> {
        let changed = fields().write(Self::settings(self), setting, value)?;
        // Both are looked at before either is changed.
        let most = super::most(changed.in_flight)?;
        self.set_ratio(changed.ratio)?;
        self.0.most.store(most, Relaxed);
        Ok(())
    }
}
