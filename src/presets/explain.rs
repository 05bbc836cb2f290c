//! What a stack is made of, for people.

use std::fmt;

use crate::kernel::{Name, Policy, Setting};

/// The parts of a stack, outermost first, with all that they are set to. It prints as a table.
///
/// ```
/// let stack = cofferdam::http::server("checkout").build()?;
/// let explained = stack.explain();
/// assert_eq!(explained.parts()[0].path(), "context");
/// assert!(explained.to_string().starts_with("checkout, a server, outermost first\n"));
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Explanation {
    name: Name,
    kind: &'static str,
    parts: Vec<Part>,
}

/// One part of a stack.
#[derive(Clone, Debug)]
pub struct Part {
    path: &'static str,
    purpose: &'static str,
    settings: Vec<Setting>,
}

impl Explanation {
    pub(super) fn new(name: Name, kind: &'static str, parts: Vec<Part>) -> Self {
        Self { name, kind, parts }
    }

    /// The name of the stack.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// The parts, outermost first. What is left out is not there.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

impl Part {
    pub(super) fn new(path: &'static str, purpose: &'static str, settings: Vec<Setting>) -> Self {
        Self { path, purpose, settings }
    }

    /// The policy that a user has added, if there is one.
    pub(super) fn of_policy(policy: &impl Policy) -> Option<Self> {
        let name = Setting { name: "name", value: policy.name()?.to_string() };
        Some(Self::new("policy", "yours", vec![name]))
    }

    /// What is set for good.
    pub(super) fn add(&mut self, settings: impl IntoIterator<Item = (&'static str, String)>) {
        self.settings.extend(settings.into_iter().map(|(name, value)| Setting { name, value }));
    }

    /// What the paths of its settings begin with.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// What it is there for.
    #[must_use]
    pub fn purpose(&self) -> &'static str {
        self.purpose
    }

    /// What it is set to.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, a {}, outermost first", self.name, self.kind)?;
        for (index, part) in self.parts.iter().enumerate() {
            writeln!(f, "{}. {:<10} {}", index + 1, part.path, part.purpose)?;
            for setting in &part.settings {
                writeln!(f, "     {:<22} {}", setting.name, setting.value)?;
            }
        }
        Ok(())
    }
}
