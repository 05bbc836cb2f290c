//! What the two stacks have in common: parts that can be replaced or left out, and settings by path.

use crate::kernel::{Control, Invalid, control::Fields};

/// A part as the stack makes it, or as the user has said: another one, or none.
#[derive(Clone, Debug)]
pub(super) enum Choice<T> {
    Ours,
    Theirs(Option<T>),
}

impl<T> Choice<T> {
    pub(super) fn or_make(self, make: impl FnOnce() -> Result<T, Invalid>) -> Result<Option<T>, Invalid> {
        match self {
            Self::Ours => make().map(Some),
            Self::Theirs(part) => Ok(part),
        }
    }
}

/// Settings in text that are to be made when the parts are there.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes(Vec<Wish>);

#[derive(Clone, Debug)]
struct Wish {
    path: String,
    value: String,
}

impl Wishes {
    pub(super) fn add(&mut self, path: String, value: String) {
        self.0.push(Wish { path, value });
    }

    /// Makes all of them, in the order in which they were added.
    pub(super) fn make(self, mut set: impl FnMut(&str, &str, &str) -> Result<(), Invalid>) -> Result<(), Invalid> {
        self.0.into_iter().try_for_each(|Wish { path, value }| {
            let (part, setting) = split(&path)?;
            set(part, setting, &value)
        })
    }
}

/// The part that a path is about, and its setting.
pub(super) fn split(path: &str) -> Result<(&str, &str), Invalid> {
    path.split_once('.').ok_or_else(|| unknown(path, "a part and its setting, such as `breaker.open_time`"))
}

pub(super) fn unknown(path: &str, allowed: &'static str) -> Invalid {
    // What is longer is no path.
    let path: String = path.chars().take(64).collect();
    Invalid::new("path", path, allowed)
}

/// Changes a setting of a part that is not built yet.
pub(super) fn write<B: Clone>(
    part: &str,
    fields: &Fields<B>,
    builder: &mut B,
    setting: &str,
    value: &str,
) -> Result<(), Invalid> {
    *builder = fields.write(builder.clone(), setting, value).map_err(|invalid| invalid.within(part))?;
    Ok(())
}

/// Changes a setting of a policy that may have been left out.
pub(super) fn configure(part: &str, control: Option<&dyn Control>, setting: &str, value: &str) -> Result<(), Invalid> {
    let control = control.ok_or_else(|| unknown(part, "a part that is not left out"))?;
    control.configure(setting, value).map_err(|invalid| invalid.within(part))
}

/// A part that may have been left out, for operators.
pub(super) fn control<C: Control>(part: &Option<C>) -> Option<&dyn Control> {
    part.as_ref().map(|part| part as _)
}
