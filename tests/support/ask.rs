//! What both laboratories ask of an overloaded server.

use cofferdam::{Context, Criticality, Deadline, TaskKey};

/// A request, and what a worker does for it: a time, or a multiple of what calls take on average.
#[derive(Clone, Copy, Debug)]
pub struct Ask<W> {
    pub deadline: Deadline,
    pub criticality: Criticality,
    pub task: Option<TaskKey>,
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
    fn task(&self) -> Option<TaskKey> {
        self.task
    }
}
