use http::Request;

use crate::kernel::{Attempt, Context, Criticality, Deadline, TaskKey};

/// The context of an HTTP request is in its extensions, each value under its own type.
impl<B> Context for Request<B> {
    fn deadline(&self) -> Option<Deadline> {
        self.extensions().get().copied()
    }

    fn set_deadline(&mut self, deadline: Deadline) {
        self.extensions_mut().insert(deadline);
    }

    fn criticality(&self) -> Option<Criticality> {
        self.extensions().get().copied()
    }

    fn set_criticality(&mut self, criticality: Criticality) {
        self.extensions_mut().insert(criticality);
    }

    fn attempt(&self) -> Attempt {
        self.extensions().get().copied().unwrap_or_default()
    }

    fn set_attempt(&mut self, attempt: Attempt) {
        self.extensions_mut().insert(attempt);
    }

    fn task(&self) -> Option<TaskKey> {
        self.extensions().get().copied()
    }

    fn set_task(&mut self, task: TaskKey) {
        self.extensions_mut().insert(task);
    }
}
