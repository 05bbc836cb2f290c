//! Drain.

mod config;
mod exempt;
mod finished;
mod gate;
mod live;
mod operate;
mod policy;
#[cfg(feature = "http")]
mod readiness;
mod state;

pub use config::Builder;
pub use exempt::{Exempt, HealthChecks, Nobody};
pub use finished::Finished;
pub use policy::{Drain, Hold, Inside};
#[cfg(feature = "http")]
pub use readiness::Readiness;
pub use state::{Drained, State};
