//! A policy of our own that writes down what it is told.

use std::sync::{Arc, Mutex, PoisonError};

use cofferdam::{Admit, Ended, Instant, Name, Policy, Rejected, Why};

/// What several policies wrote, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn write(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// What has been written since the last time, joined by commas.
    pub(crate) fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).join(", ")
    }
}

/// How a [`Recording`] behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Admit,
    Reject,
    Shut,
    PanicInAdmit,
    PanicInSettle,
    PanicInUndo,
}

/// Writes down every admission, end and undo under its name.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    name: &'static str,
    does: Does,
    log: Log,
}

impl Recording {
    pub(crate) fn new(name: &'static str, does: Does, log: &Log) -> Self {
        Self { name, does, log: log.clone() }
    }

    fn rejected(&self) -> Rejected {
        Rejected::new(Name::new(self.name).unwrap(), Why::Refused)
    }
}

impl Policy for Recording {
    type Kind = cofferdam::Immediate;

    /// Checked to come back as it was given.
    type Token = &'static str;

    fn settle(&self, token: &'static str, ended: &Ended) {
        assert_eq!(token, self.name, "a token came back to another policy");
        self.log.write(format!("{} {:?}", self.name, ended.outcome));
        assert_ne!(self.does, Does::PanicInSettle, "panic in settle");
    }

    fn undo(&self, token: &'static str, _: Instant) {
        assert_eq!(token, self.name, "a token came back to another policy");
        self.log.write(format!("undo {}", self.name));
        assert_ne!(self.does, Does::PanicInUndo, "panic in undo");
    }
}

impl<Request> Admit<Request> for Recording {
    fn admit(&self, _: &Request, _: Instant) -> Result<&'static str, Rejected> {
        assert_ne!(self.does, Does::PanicInAdmit, "panic in admit");
        if self.does == Does::Reject {
            self.log.write(format!("{} rejects", self.name));
            return Err(self.rejected());
        }
        self.log.write(self.name.to_owned());
        Ok(self.name)
    }

    fn shut(&self, now: impl FnOnce() -> Instant) -> Option<Rejected> {
        (self.does == Does::Shut).then(|| {
            let _ = now();
            self.rejected()
        })
    }
}
