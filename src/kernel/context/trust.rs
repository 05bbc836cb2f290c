use std::time::Duration;

use super::{
    Attempt, Context, Criticality, Deadline, TaskKey,
    timeout_text::{MOST_DIGITS, number, read, read_millis},
};
#[cfg(feature = "http")]
use crate::kernel::control::{Field, Fields};
use crate::kernel::{Invalid, written::Written};

/// In bytes: of a name, and so of anything that is read at all.
pub(crate) const LONGEST_TEXT: usize = 4096;

/// How far a service believes what a request from outside says of itself.
///
/// Each function takes a text as it came, in a header or in metadata, and gives a value within bounds, or nothing.
/// Texts that are not exactly of the right form are as good as not there: signs, blanks, anything but ASCII digits
/// where digits belong. A value beyond what is believed is clamped. No text panics, allocates, or is read when it is longer
/// than the longest name of a task.
///
/// | setting | default | range |
/// |---|---|---|
/// | [`deadlines`](Builder::deadlines) | believed | |
/// | [`longest_deadline`](Builder::longest_deadline) | 1 hour | above zero, at most 100 years |
/// | [`default_deadline`](Builder::default_deadline) | none | above zero, at most the longest |
/// | [`highest_criticality`](Builder::highest_criticality) | `CRITICAL` | |
/// | [`most_attempts`](Builder::most_attempts) | 16 | at least 1 |
/// | [`tasks`](Builder::tasks) | believed | |
/// | [`longest_task`](Builder::longest_task) | 256 bytes | 16 to 4096 |
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Criticality, context::Trust};
///
/// let trust = Trust::builder().longest_deadline(Duration::from_secs(10)).most_attempts(4).build()?;
///
/// assert!(trust.deadline("250m").unwrap().remaining() <= Duration::from_millis(250));
/// assert!(trust.deadline("99H").unwrap().remaining() <= Duration::from_secs(10));
/// assert_eq!(trust.deadline("-1S"), None);
/// assert_eq!(trust.criticality("CRITICAL_PLUS"), Some(Criticality::Critical));
/// assert_eq!(trust.criticality("sheddable"), Some(Criticality::Sheddable));
/// assert_eq!(trust.attempt("1000000").unwrap().number(), 4);
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    deadlines: bool,
    longest_deadline: Duration,
    default_deadline: Option<Duration>,
    highest_criticality: Criticality,
    most_attempts: Attempt,
    tasks: bool,
    longest_task: usize,
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            deadlines: true,
            longest_deadline: Duration::from_secs(60 * 60),
            default_deadline: None,
            highest_criticality: Criticality::Critical,
            most_attempts: Attempt::FIRST.plus(15),
            tasks: true,
            longest_task: 256,
        }
    }
}

impl Trust {
    /// Starts from the defaults.
    pub fn builder() -> Builder {
        Self::default().into()
    }

    /// The deadline that long from now: `text` is in the form of `grpc-timeout`, so one to eight digits and one of the
    /// units `H`, `M`, `S`, `m`, `u`, `n`. A number alone is nothing, as some would mean seconds.
    ///
    /// Never further away than the text says, nor than is believed. [`TimeoutText`](super::TimeoutText) writes it.
    #[must_use]
    pub fn deadline(&self, text: &str) -> Option<Deadline> {
        read(text).and_then(|timeout| self.deadline_after(timeout))
    }

    /// The deadline that many milliseconds from now: `text` is one to nineteen digits, as in Envoy's header
    /// `x-envoy-expected-rq-timeout-ms`.
    #[must_use]
    pub fn deadline_in_millis(&self, text: &str) -> Option<Deadline> {
        read_millis(text).and_then(|timeout| self.deadline_after(timeout))
    }

    /// The class of that name, or the highest that is believed: see [`Criticality`] for the spelling.
    #[must_use]
    pub fn criticality(&self, text: &str) -> Option<Criticality> {
        Criticality::read(text).map(|said| said.min(self.highest_criticality))
    }

    /// The attempt of that number: `text` is one to nineteen digits and not zero, as in Envoy's header
    /// `x-envoy-attempt-count`.
    #[must_use]
    pub fn attempt(&self, text: &str) -> Option<Attempt> {
        let number = number(text.as_bytes(), MOST_DIGITS)?;
        Attempt::new(u32::try_from(number).unwrap_or(u32::MAX)).map(|said| said.min(self.most_attempts))
    }

    /// The attempt after that many: `text` is one to nineteen digits, as in gRPC's `grpc-previous-rpc-attempts`.
    #[must_use]
    pub fn attempt_after(&self, text: &str) -> Option<Attempt> {
        let previous = number(text.as_bytes(), MOST_DIGITS)?;
        let said = Attempt::FIRST.plus(u32::try_from(previous).unwrap_or(u32::MAX));
        Some(said.min(self.most_attempts))
    }

    /// The [key](TaskKey::of) of the task of that name. A name has at least one byte.
    ///
    /// One that is longer is ignored rather than cut: long names often begin all alike, and then all tasks would be one.
    #[must_use]
    pub fn task(&self, text: &str) -> Option<TaskKey> {
        (self.tasks && (1..=self.longest_task).contains(&text.len())).then(|| TaskKey::of(text))
    }

    /// Holds what a request carries already, by whatever way it came, to the same bounds.
    ///
    /// A request that says nothing of how much it matters matters by default; if that is more than is believed, it is
    /// told so too. One without a deadline of its whole answer is given the default one, if there is one. Its task is left as it is.
    pub fn bound<Request: Context>(&self, request: &mut Request) {
        match (request.deadline(), self.default_deadline) {
            (Some(head), _) if head.is_to_head() => self.bound_both(request, head),
            (Some(deadline), _) => {
                let longest = Deadline::after(self.longest_deadline);
                if longest < deadline {
                    request.set_deadline(longest);
                }
            }
            (None, Some(default)) => request.set_deadline(Deadline::about(default).assumed()),
            (None, None) => {}
        }
        if request.criticality().unwrap_or_default() > self.highest_criticality {
            request.set_criticality(self.highest_criticality);
        }
        if request.attempt() > self.most_attempts {
            request.set_attempt(self.most_attempts);
        }
    }

    /// The same, of a request that says when its answer has to begin.
    #[cold]
    fn bound_both<Request: Context>(&self, request: &mut Request, head: Deadline) {
        let longest = Deadline::after(self.longest_deadline);
        let whole = match (request.whole_deadline(), self.default_deadline) {
            (Some(whole), _) => Some(whole.min(longest)),
            (None, default) => default.map(|default| Deadline::about(default).assumed()),
        };
        if let Some(whole) = whole {
            request.set_deadline(whole);
        }
        request.set_deadline(head.min(longest).to_head());
    }

    fn deadline_after(&self, timeout: Duration) -> Option<Deadline> {
        self.deadlines.then(|| Deadline::after(timeout.min(self.longest_deadline)))
    }
}

impl From<Trust> for Builder {
    /// Starts from these settings.
    fn from(trust: Trust) -> Self {
        Self { trust, most_attempts: trust.most_attempts.number() }
    }
}

/// Its settings by name.
#[cfg(feature = "http")]
pub(crate) fn fields() -> Fields<Builder> {
    Fields {
        names: "deadlines, longest_deadline, default_deadline, highest_criticality, most_attempts, tasks or longest_task",
        all: vec![
            Field::new("deadlines", |builder: &mut Builder| &mut builder.trust.deadlines),
            Field::new("longest_deadline", |builder| &mut builder.trust.longest_deadline),
            Field::new("default_deadline", |builder| &mut builder.trust.default_deadline),
            Field::new("highest_criticality", |builder| &mut builder.trust.highest_criticality),
            Field::new("most_attempts", |builder| &mut builder.most_attempts),
            Field::new("tasks", |builder| &mut builder.trust.tasks),
            Field::new("longest_task", |builder| &mut builder.trust.longest_task),
        ],
    }
}

/// Builds a [`Trust`], which has the table of settings.
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    /// Not checked yet.
    trust: Trust,
    most_attempts: u32,
}

impl Builder {
    /// Whether what is said of deadlines is believed. Where anybody may call, it should not be: an [adaptive
    /// limit](crate::AdaptiveLimit) that is told by many that they wait for less than any call takes lets in hardly any.
    ///
    /// Default: it is.
    pub fn deadlines(mut self, believed: bool) -> Self {
        self.trust.deadlines = believed;
        self
    }

    /// The furthest away that a deadline may be.
    ///
    /// Default: one hour. Range: above zero, at most 100 years.
    pub fn longest_deadline(mut self, longest: Duration) -> Self {
        self.trust.longest_deadline = longest;
        self
    }

    /// The deadline of a request that names none, from when it is looked at by [`Trust::bound`]. It is an
    /// [assumed](Deadline::assumed) one: a lasting answer, such as server-sent events, has to begin by then, and may go on.
    ///
    /// Default: none. Range: above zero, at most [`longest_deadline`](Self::longest_deadline).
    pub fn default_deadline(mut self, default: impl Into<Option<Duration>>) -> Self {
        self.trust.default_deadline = default.into();
        self
    }

    /// The most that a request may matter. Among services of one's own it may be [`Criticality::CriticalPlus`].
    ///
    /// Default: [`Criticality::Critical`], so that nobody who merely says so goes before all others. Below
    /// that, requests that say nothing are held to it by [`Trust::bound`].
    pub fn highest_criticality(mut self, highest: Criticality) -> Self {
        self.trust.highest_criticality = highest;
        self
    }

    /// The highest number of an attempt.
    ///
    /// Default: 16. Range: at least 1, with which every attempt is an original.
    pub fn most_attempts(mut self, most: u32) -> Self {
        self.most_attempts = most;
        self
    }

    /// Whether names of tasks are believed. Where anybody may call, they should not be: one who may choose the name may
    /// choose one that goes first.
    ///
    /// Default: they are.
    pub fn tasks(mut self, believed: bool) -> Self {
        self.trust.tasks = believed;
        self
    }

    /// How long the name of a task may be, in bytes. One that is longer is ignored.
    ///
    /// Default: 256. Range: 16, which is the length of a [key](TaskKey) as text, to 4096.
    pub fn longest_task(mut self, bytes: usize) -> Self {
        self.trust.longest_task = bytes;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<Trust, Invalid> {
        let Trust { longest_deadline, default_deadline, longest_task, .. } = self.trust;
        Invalid::unless_duration("longest_deadline", longest_deadline)?;
        if let Some(default) = default_deadline.filter(|default| default.is_zero() || *default > longest_deadline) {
            let allowed = "above zero, at most `longest_deadline`";
            return Err(Invalid::new("default_deadline", Written(default), allowed));
        }
        if !(16..=LONGEST_TEXT).contains(&longest_task) {
            return Err(Invalid::new("longest_task", longest_task, "16 to 4096"));
        }
        let most_attempts = Attempt::new(self.most_attempts)
            .ok_or_else(|| Invalid::new("most_attempts", self.most_attempts, "at least 1"))?;
        Ok(Trust { most_attempts, ..self.trust })
    }
}
