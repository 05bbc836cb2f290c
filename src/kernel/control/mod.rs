//! Policies for operators: by name, in text, whatever pattern they are.

mod field;
mod text;

pub(crate) use field::{Field, Fields};
pub(crate) use text::Text;

use std::fmt;

use super::{Invalid, Name};

/// A policy in the hands of an operator: what it is doing, and its switches and settings by name.
///
/// It is apart from [`Policy`](crate::Policy), which says nothing of any of this, and can be made into a trait object: an
/// admin endpoint keeps a list of them.
///
/// ```
/// use cofferdam::{Bulkhead, CircuitBreaker, Control};
///
/// let controls: Vec<Box<dyn Control>> = vec![
///     Box::new(CircuitBreaker::builder("payments").build()?),
///     Box::new(Bulkhead::builder("checkout").build()?),
/// ];
/// let payments = controls.iter().find(|control| control.name().as_str() == "payments").unwrap();
/// payments.configure("open_time", "2.5s")?;
/// payments.force("open")?;
/// assert_eq!(payments.state(), "forced-open");
///
/// let invalid = payments.configure("open_time", "soon").unwrap_err();
/// assert_eq!(invalid.to_string(), "`open_time` cannot be soon: it must be a duration such as 250ms, 1.5s or 2m");
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[doc(alias = "dynamic configuration")]
pub trait Control: Send + Sync {
    /// The name of the policy.
    fn name(&self) -> Name;

    /// What it is doing, in words.
    fn state(&self) -> String;

    /// Forces it into a state. A circuit breaker knows `open`, `closed`, `disabled` and `reset`.
    ///
    /// # Errors
    ///
    /// [`Invalid`] lists the states there are.
    fn force(&self, state: &str) -> Result<(), Invalid>;

    /// What it is set to. Each of these can be given to [`configure`](Self::configure).
    fn settings(&self) -> Vec<Setting>;

    /// Changes one setting while it runs; its state is kept. Durations are written as `250ms`, `1.5s` or `2m`, and what is
    /// not set as `none`.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be, or lists the settings there are; nothing is changed then.
    fn configure(&self, setting: &str, value: &str) -> Result<(), Invalid>;
}

/// A setting by its name, and its value as [`Control::configure`] takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The name: that of the builder's method.
    pub name: &'static str,
    /// The value in text.
    pub value: String,
}

/// As `name = value`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.value)
    }
}
