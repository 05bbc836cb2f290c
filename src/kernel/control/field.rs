use super::{Setting, Text};
use crate::kernel::Invalid;

type Read<S> = Box<dyn Fn(&mut S) -> Option<String>>;
type Write<S> = Box<dyn Fn(&mut S, &str) -> Result<(), Invalid>>;

/// One setting of a builder `S`, by name and as text.
pub(crate) struct Field<S> {
    name: &'static str,
    read: Read<S>,
    write: Write<S>,
}

impl<S: 'static> Field<S> {
    /// A setting that always applies, and where it is kept.
    pub(crate) fn new<T: Text + 'static>(name: &'static str, place: fn(&mut S) -> &mut T) -> Self {
        Self::of_some(
            name,
            move |settings| Some(place(settings).to_text()),
            move |settings, value| *place(settings) = value,
        )
    }

    /// A setting that may not apply as things are, and is then not read.
    pub(crate) fn of_some<T: Text>(
        name: &'static str,
        read: impl Fn(&mut S) -> Option<String> + 'static,
        write: impl Fn(&mut S, T) + 'static,
    ) -> Self {
        let write = move |settings: &mut S, text: &str| {
            write(settings, T::from_text(name, text)?);
            Ok(())
        };
        Self { name, read: Box::new(read), write: Box::new(write) }
    }
}

/// All settings of a builder.
pub(crate) struct Fields<S> {
    pub(crate) all: Vec<Field<S>>,
    /// Their names, for whoever asks for one that there is not.
    pub(crate) names: &'static str,
}

/// What is longer is no value.
const LONGEST: usize = 96;

impl<S> Fields<S> {
    pub(crate) fn read(&self, mut settings: S) -> Vec<Setting> {
        let mut setting = |field: &Field<S>| Some(Setting { name: field.name, value: (field.read)(&mut settings)? });
        self.all.iter().filter_map(&mut setting).collect()
    }

    /// The settings, with one of them changed.
    pub(crate) fn write(&self, mut settings: S, name: &str, value: &str) -> Result<S, Invalid> {
        let Some(field) = self.all.iter().find(|field| field.name == name) else {
            return Err(Invalid::unknown(name, self.names));
        };
        if value.len() > LONGEST {
            return Err(Invalid::new(field.name, "that long", "at most 96 bytes of text"));
        }
        (field.write)(&mut settings, value.trim())?;
        Ok(settings)
    }
}
