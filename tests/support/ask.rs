//! What both laboratories ask of an overloaded server.

use cofferdam::{Attempt, Context, Criticality, Deadline, TaskKey};

/// A request, and what a worker does for it: a time, or a multiple of what calls take on average.
#[derive(Clone, Copy, Debug)]
pub struct Ask<W> {
    pub deadline: Deadline,
    pub criticality: Criticality,
    pub task: Option<TaskKey>,
    pub attempt: Attempt,
    pub work: W,
}

impl<W> Context for Ask<W> {
    fn deadline(&self) -> Option<Deadline> {
        Some(self.deadline)
    }
    fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = deadline;
    }
    fn criticality(&self) -> Option<Criticality> {
        Some(self.criticality)
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
}
