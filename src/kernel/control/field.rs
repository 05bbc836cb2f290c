use super::Setting;
use crate::kernel::Invalid;

/// One setting of a builder `S`, as text.
pub(crate) struct Field<S> {
    pub(crate) name: &'static str,
    /// `None` if it does not apply as things are.
    pub(crate) read: fn(&S) -> Option<String>,
    pub(crate) write: fn(&mut S, &str) -> Result<(), Invalid>,
}

/// All settings of a builder.
pub(crate) struct Fields<'a, S> {
    pub(crate) all: &'a [Field<S>],
    /// Their names, for whoever asks for one that there is not.
    pub(crate) names: &'static str,
}

/// What is longer is no value.
const LONGEST: usize = 64;

impl<S> Fields<'_, S> {
    pub(crate) fn read(&self, settings: &S) -> Vec<Setting> {
        let setting = |field: &Field<S>| Some(Setting { name: field.name, value: (field.read)(settings)? });
        self.all.iter().filter_map(setting).collect()
    }

    pub(crate) fn write(&self, settings: &mut S, name: &str, value: &str) -> Result<(), Invalid> {
        let Some(field) = self.all.iter().find(|field| field.name == name) else {
            let name: String = name.chars().take(LONGEST).collect();
            return Err(Invalid::new("setting", name, self.names));
        };
        if value.len() > LONGEST {
            return Err(Invalid::new(field.name, "that long", "at most 64 bytes of text"));
        }
        (field.write)(settings, value.trim())
    }
}
