//! What the two stacks have in common: parts that can be replaced or left out, and settings by their path.

use super::Config;
use crate::kernel::{Control, Invalid, Setting, control::Fields};

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

/// The parts of a stack that can be changed while it runs.
pub(super) type Live<'s, const N: usize> = [(&'static str, Option<&'s dyn Control>); N];

/// Changes one setting of them.
pub(super) fn change<const N: usize>(
    live: &Live<'_, N>,
    allowed: &'static str,
    path: &str,
    value: &str,
) -> Result<(), Invalid> {
    let (part, setting) = split(path)?;
    let (_, control) = live.iter().find(|(name, _)| *name == part).ok_or_else(|| unknown(path, allowed))?;
    configure(part, *control, setting, value)
}

/// Changes all of these settings or, if one of them cannot be, none.
pub(super) fn change_all<const N: usize>(
    live: &Live<'_, N>,
    allowed: &'static str,
    config: &Config,
) -> Result<(), Invalid> {
    let before: Vec<(&str, Vec<Setting>)> =
        live.iter().filter_map(|(name, control)| Some((*name, (*control)?.settings()))).collect();
    let changed = config.iter().try_for_each(|(path, value)| change(live, allowed, path, value));
    if changed.is_err() {
        for (part, setting) in
            before.iter().flat_map(|(part, settings)| settings.iter().map(move |setting| (part, setting)))
        {
            // It was so a moment ago, and so it can be again.
            let _ = change(live, allowed, &format!("{part}.{}", setting.name), &setting.value);
        }
    }
    changed
}
