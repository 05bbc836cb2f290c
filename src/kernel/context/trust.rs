use std::time::Duration;

use super::{
    Attempt, Context, Criticality, Deadline, TaskKey,
    timeout_text::{number, read},
};
use crate::kernel::Invalid;

/// As many digits as a `u64` has room for.
const DIGITS: usize = 19;
/// In bytes. A name that is longer is no name.
const LONGEST_TASK: usize = 256;

/// How far a service believes what a request from outside says of itself.
///
/// Each function takes a text as it came, in a header or in metadata, and gives a value within bounds, or nothing.
/// Texts that are not exactly of the right form are as good as not there: signs, blanks, anything but ASCII digits
/// where digits belong. A value beyond what is believed is clamped. No text panics, allocates, or takes longer than its
/// first few hundred bytes.
///
/// | setting | default | range |
/// |---|---|---|
/// | [`longest_deadline`](Builder::longest_deadline) | 1 hour | above zero, at most 100 years |
/// | [`highest_criticality`](Builder::highest_criticality) | `CRITICAL` | |
/// | [`most_attempts`](Builder::most_attempts) | 16 | at least 1 |
/// | [`tasks`](Builder::tasks) | believed | |
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
    longest_deadline: Duration,
    highest_criticality: Criticality,
    most_attempts: Attempt,
    tasks: bool,
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            longest_deadline: Duration::from_secs(60 * 60),
            highest_criticality: Criticality::Critical,
            most_attempts: Attempt::FIRST.plus(15),
            tasks: true,
        }
    }
}

impl Trust {
    /// Starts from the defaults.
    pub fn builder() -> Builder {
        let Self { longest_deadline, highest_criticality, most_attempts, tasks } = Self::default();
        Builder { longest_deadline, highest_criticality, most_attempts: most_attempts.number(), tasks }
    }

    /// The deadline that long from now: `text` is in the form of `grpc-timeout`, so one to eight digits and one of the
    /// units `H`, `M`, `S`, `m`, `u`, `n`. A number alone is nothing, as some would mean seconds.
    ///
    /// Never further away than the text says, nor than is believed. [`TimeoutText`](super::TimeoutText) writes it.
    #[must_use]
    pub fn deadline(&self, text: &str) -> Option<Deadline> {
        read(text).map(|timeout| self.deadline_after(timeout))
    }

    /// The deadline that many milliseconds from now: `text` is one to nineteen digits, as in Envoy's header
    /// `x-envoy-expected-rq-timeout-ms`.
    #[must_use]
    pub fn deadline_in_millis(&self, text: &str) -> Option<Deadline> {
        number(text.as_bytes(), DIGITS).map(|millis| self.deadline_after(Duration::from_millis(millis)))
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
        let number = number(text.as_bytes(), DIGITS)?;
        Attempt::new(u32::try_from(number).unwrap_or(u32::MAX)).map(|said| said.min(self.most_attempts))
    }

    /// The attempt after that many: `text` is one to nineteen digits, as in gRPC's `grpc-previous-rpc-attempts`.
    #[must_use]
    pub fn attempt_after(&self, text: &str) -> Option<Attempt> {
        let previous = number(text.as_bytes(), DIGITS)?;
        let said = Attempt::FIRST.plus(u32::try_from(previous).unwrap_or(u32::MAX));
        Some(said.min(self.most_attempts))
    }

    /// The [key](TaskKey::of) of the task of that name. A name is 1 to 256 bytes.
    ///
    /// One that is longer is ignored rather than cut: long names often begin all alike, and then all tasks would be one.
    #[must_use]
    pub fn task(&self, text: &str) -> Option<TaskKey> {
        (self.tasks && (1..=LONGEST_TASK).contains(&text.len())).then(|| TaskKey::of(text))
    }

    /// Holds what a request carries already, by whatever way it came, to the same bounds.
    ///
    /// A request that says nothing of how much it matters matters by default; if that is more than is believed, it is
    /// told so too. Its task is left as it is.
    pub fn bound<Request: Context>(&self, request: &mut Request) {
        if let Some(deadline) = request.deadline() {
            let longest = Deadline::after(self.longest_deadline);
            if longest < deadline {
                request.set_deadline(longest);
            }
        }
        if request.criticality().unwrap_or_default() > self.highest_criticality {
            request.set_criticality(self.highest_criticality);
        }
        if request.attempt() > self.most_attempts {
            request.set_attempt(self.most_attempts);
        }
    }

    fn deadline_after(&self, timeout: Duration) -> Deadline {
        Deadline::after(timeout.min(self.longest_deadline))
    }
}

/// Builds a [`Trust`], which has the table of settings.
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    longest_deadline: Duration,
    highest_criticality: Criticality,
    most_attempts: u32,
    tasks: bool,
}

impl Builder {
    /// The furthest away that a deadline may be.
    ///
    /// Default: one hour. Range: above zero, at most 100 years.
    pub fn longest_deadline(mut self, longest: Duration) -> Self {
        self.longest_deadline = longest;
        self
    }

    /// The most that a request may matter. Among services of one's own it may be [`Criticality::CriticalPlus`].
    ///
    /// Default: [`Criticality::Critical`], so that nobody who merely says so goes before all others. Below
    /// that, requests that say nothing are held to it by [`Trust::bound`].
    pub fn highest_criticality(mut self, highest: Criticality) -> Self {
        self.highest_criticality = highest;
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
        self.tasks = believed;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<Trust, Invalid> {
        let attempts = Attempt::new(self.most_attempts);
        Ok(Trust {
            longest_deadline: Invalid::unless_duration("longest_deadline", self.longest_deadline)?,
            highest_criticality: self.highest_criticality,
            most_attempts: attempts.ok_or_else(|| Invalid::new("most_attempts", self.most_attempts, "at least 1"))?,
            tasks: self.tasks,
        })
    }
}
