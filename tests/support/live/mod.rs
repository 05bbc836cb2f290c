//! A laboratory on real threads and the real clock: an overloaded server and its callers.
//!
//! The other one, in virtual time, is exact and covers far more. This one has threads that race, timers that are late, and
//! whatever else the machine does meanwhile. Callers come at random and do not wait for each other; what counts is a good
//! answer in time, measured from when the call was due.

#[path = "../ask.rs"]
mod ask;
mod callers;
#[path = "../lab/random.rs"]
mod random;
mod server;

use std::time::Duration;

pub use callers::{Callers, Log};
pub use random::{Distribution, Random};
pub use server::Server;

/// What is asked of the server: its work is for how long a worker works on it.
pub type Ask = ask::Ask<Duration>;
