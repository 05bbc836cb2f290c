//! What the two stacks have in common: parts that can be replaced or left out, and settings by their path.

use super::{Config, Part};
use crate::kernel::{Control, Invalid, Setting};

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

    /// Leaves it out, or in: as the stack makes it, if no other one was said.
    pub(super) fn switch(&mut self, on: bool) {
        match self {
            _ if !on => *self = Self::Theirs(None),
            Self::Theirs(None) => *self = Self::Ours,
            Self::Ours | Self::Theirs(Some(_)) => {}
        }
    }
}

/// The part that a path is about, and its setting.
pub(super) fn split(path: &str) -> Result<(&str, &str), Invalid> {
    path.split_once('.').ok_or_else(|| Invalid::unknown(path, PATH))
}

/// What a path may be.
const PATH: &str = "a part and its setting, such as `breaker.open_time`, or a part that is `on` or `off`";

/// Whether a part is to be there, if this is about a part as a whole and not about one of its settings.
fn switch(path: &str, value: &str) -> Result<Option<bool>, Invalid> {
    match value.trim() {
        _ if path.contains('.') => Ok(None),
        "on" | "yes" | "true" => Ok(Some(true)),
        "off" | "no" | "false" => Ok(Some(false)),
        _ => Err(Invalid::unknown(path, PATH)),
    }
}

/// Takes the parts in and out of a stack that is about to be built; what was said last of one holds. Those of which `choose` does
/// not know are left to whoever knows all parts.
pub(super) fn choose(config: &mut Config, mut choose: impl FnMut(&str, bool)) -> Result<(), Invalid> {
    config.keep_last_of_parts();
    for (path, value) in config.iter() {
        if let Some(on) = switch(path, value)? {
            choose(path, on);
        }
    }
    Ok(())
}

/// A part that may have been left out, for operators.
pub(super) fn control<C: Control>(part: &Option<C>) -> Option<&dyn Control> {
    part.as_ref().map(|part| part as _)
}

/// A part that can be changed while it runs: what its paths begin with, what it is there for, and itself if it is not left out.
pub(super) struct Live<'s> {
    pub(super) path: &'static str,
    pub(super) purpose: &'static str,
    pub(super) control: Option<&'s dyn Control>,
}

impl Live<'_> {
    /// With all that it is set to.
    pub(super) fn explain(&self) -> Option<Part> {
        Some(Part::new(self.path, self.purpose, self.control?.settings()))
    }
}

/// Those that are not left out, for operators.
pub(super) fn controls<'s, const N: usize>(
    live: [Live<'s>; N],
) -> impl Iterator<Item = (&'static str, &'s dyn Control)> {
    live.into_iter().filter_map(|live| Some((live.path, live.control?)))
}

/// Changes one setting of them.
pub(super) fn change(live: &[Live<'_>], allowed: &'static str, path: &str, value: &str) -> Result<(), Invalid> {
    if let Some(on) = switch(path, value)? {
        return stays(live, allowed, path, on);
    }
    let (part, setting) = split(path)?;
    find(live, allowed, path)?.configure(setting, value).map_err(|invalid| invalid.within(part))
}

/// Parts that are in every stack.
const ALWAYS: [&str; 3] = ["budget", "context", "timeout"];

/// A part is in a stack, or it is not, for as long as there is the stack. That it is as it is can be said again, as a file does
/// that is read again.
fn stays(live: &[Live<'_>], allowed: &'static str, path: &str, on: bool) -> Result<(), Invalid> {
    let part = live.iter().find(|part| part.path == path).ok_or_else(|| Invalid::unknown(path, allowed))?;
    match on {
        _ if on == part.control.is_some() => Ok(()),
        false if ALWAYS.contains(&part.path) => {
            Err(Invalid::new(part.path, "off", "on, as it is never left out by itself"))
        }
        false => Err(Invalid::new(part.path, "off", "on, as a part is left out only when the stack is built")),
        true => Err(Invalid::new(part.path, "on", "off, as a part comes in only when the stack is built")),
    }
}

/// Whose setting that is.
fn find<'s>(live: &[Live<'s>], allowed: &'static str, path: &str) -> Result<&'s dyn Control, Invalid> {
    let (part, _) = split(path)?;
    let live = live.iter().find(|live| live.path == part).ok_or_else(|| Invalid::unknown(path, allowed))?;
    live.control.ok_or_else(|| Invalid::unknown(path, "of a part that is not left out"))
}

/// Makes settings in their order. One that cannot be made yet, as it is bounded by another of its part that is still to come, is made
/// after that one: whoever writes a file does not choose the order in which it is read.
pub(super) fn make_all<'c>(
    settings: impl Iterator<Item = (&'c str, &'c str)>,
    mut make: impl FnMut(&'c str, &'c str) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    let mut left: Vec<_> = settings.collect();
    while !left.is_empty() {
        let mut later: Vec<(&str, &str)> = Vec::new();
        let mut first = None;
        for (index, &(path, value)) in left.iter().enumerate() {
            // Of one setting the last value holds, so they keep their order.
            if later.iter().any(|(postponed, _)| *postponed == path) {
                later.push((path, value));
            } else if let Err(invalid) = make(path, value) {
                let is_another = |(other, _): &(&str, &str)| *other != path && part_of(other) == part_of(path);
                if !invalid.is_known() || !later.iter().chain(&left[index + 1..]).any(is_another) {
                    return Err(invalid);
                }
                first.get_or_insert(invalid);
                later.push((path, value));
            }
        }
        match first {
            Some(invalid) if later.len() == left.len() => return Err(invalid),
            _ => left = later,
        }
    }
    Ok(())
}

fn part_of(path: &str) -> &str {
    path.split_once('.').map_or(path, |(part, _)| part)
}

/// Changes all of these settings or, if one of them cannot be, none.
pub(super) fn change_all(live: &[Live<'_>], allowed: &'static str, config: &Config) -> Result<(), Invalid> {
    let mut steps: Vec<(&dyn Control, Vec<Setting>)> = Vec::new();
    let changed = make_all(config.iter(), |path, value| {
        if switch(path, value)?.is_none() {
            let control = find(live, allowed, path)?;
            steps.push((control, control.settings()));
        }
        change(live, allowed, path, value)
    });
    if changed.is_err() {
        // Step by step back, as one setting may bound another: so it was a moment ago, and so it can be again.
        for (control, before) in steps.iter().rev() {
            let now = control.settings();
            for setting in before.iter().filter(|setting| !now.contains(setting)) {
                let _ = control.configure(setting.name, &setting.value);
            }
        }
    }
    changed
}
