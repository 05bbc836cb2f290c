use super::{Attempt, Context, Criticality, Deadline, TaskKey, with_deadline};

/// What a request hands on to whatever is done for it, apart from the request itself: its deadline, its criticality and its
/// task.
///
/// The request is often gone by the time something is asked of others for it: its body has been read, or the work goes on
/// in another task. This is the rest of it, in a value that is copied. It is a first attempt unless that is
/// [set](Context::set_attempt), whatever the request was: a first attempt here may be made for a second one elsewhere.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Context, Criticality, Deadline, context::Carried};
/// # #[cfg(feature = "http")] {
///
/// let mut request = http::Request::new("body");
/// request.set_criticality(Criticality::Sheddable);
/// request.set_deadline(Deadline::after(Duration::from_secs(1)));
///
/// let caller = Carried::of(&request);
/// drop(request);
///
/// let mut outgoing = http::Request::new(());
/// outgoing.on_behalf_of(&caller);
/// assert_eq!(outgoing.criticality(), Some(Criticality::Sheddable));
/// assert_eq!(outgoing.deadline(), caller.deadline());
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    deadline: Option<Deadline>,
    whole: Option<Deadline>,
    criticality: Option<Criticality>,
    task: Option<TaskKey>,
    attempt: Attempt,
}

impl Carried {
    /// What that request carries.
    #[must_use]
    pub fn of<C: Context + ?Sized>(request: &C) -> Self {
        let (deadline, whole) = (request.deadline(), request.whole_deadline());
        let (criticality, task) = (request.criticality(), request.task());
        Self { deadline, whole, criticality, task, attempt: Attempt::FIRST }
    }
}

impl Context for Carried {
    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    fn set_deadline(&mut self, deadline: Deadline) {
        let (earlier, whole) = with_deadline(self.whole, deadline);
        (self.deadline, self.whole) = (Some(earlier), whole);
    }

    fn whole_deadline(&self) -> Option<Deadline> {
        self.whole
    }

    fn criticality(&self) -> Option<Criticality> {
        self.criticality
    }

    fn set_criticality(&mut self, criticality: Criticality) {
        self.criticality = Some(criticality);
    }

    fn attempt(&self) -> Attempt {
        self.attempt
    }

    fn set_attempt(&mut self, attempt: Attempt) {
        self.attempt = attempt;
    }

    fn task(&self) -> Option<TaskKey> {
        self.task
    }

    fn set_task(&mut self, task: TaskKey) {
        self.task = Some(task);
    }
}
