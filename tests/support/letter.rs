//! A request that carries all there is.

use cofferdam::{Attempt, Context, Criticality, Deadline, TaskKey};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Letter {
    pub(crate) deadline: Option<Deadline>,
    pub(crate) criticality: Option<Criticality>,
    pub(crate) attempt: Attempt,
    pub(crate) task: Option<TaskKey>,
}

impl Letter {
    pub(crate) fn until(deadline: Deadline) -> Self {
        Self { deadline: Some(deadline), ..Self::default() }
    }
}

impl Context for Letter {
    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }
    fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = Some(deadline);
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
