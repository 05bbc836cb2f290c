//! A laboratory on real threads and the real clock: an overloaded server and its callers.
//!
//! The other one, in virtual time, is exact and covers far more. This one has threads that race, timers that are late, and
//! whatever else the machine does meanwhile. Callers come at random and do not wait for each other; what counts is a good
//! answer in time, measured from when the call was due.

mod callers;
#[path = "../lab/random.rs"]
mod random;
mod server;

use std::time::Duration;

pub use callers::{Callers, Log};
use cofferdam::{Context, Criticality, Deadline};
pub use random::{Distribution, Random};
pub use server::Server;

/// What is asked of the server.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    deadline: Deadline,
    criticality: Criticality,
    /// For how long a worker works on it.
    work: Duration,
}

impl Context for Ask {
    fn deadline(&self) -> Option<Deadline> {
        Some(self.deadline)
    }
    fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = deadline;
    }
    fn criticality(&self) -> Option<Criticality> {
        Some(self.criticality)
    }
}
