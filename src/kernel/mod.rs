//! What every pattern stands on; it knows none of them.
//!
//! A [`Policy`] admits calls and is told how they ended. A [`Ticket`] makes sure that it is told exactly once.
//! A [`Guard`] puts a policy around a service, and a [`Protocol`] says how that service's answers are read.

pub mod attempts;
pub mod budget;
pub(crate) mod clock;
pub mod context;
pub(crate) mod control;
mod decorate;
pub mod dependency;
pub(crate) mod event;
mod fuse;
mod future;
mod guard;
mod guarded;
mod invalid;
pub mod keyed;
mod kind;

pub(crate) mod lane;
mod name;
mod oneshot;
mod outcome;
pub(crate) mod peaks;
mod plain;
mod policy;
mod protocol;
mod ratio;
mod rejected;
mod run;
pub(crate) mod seldom;
mod shadow;
mod shared;
pub(crate) mod sync;
mod ticket;
pub mod waiting;
pub mod weighted;
pub(crate) mod window;
pub(crate) mod written;

pub use budget::Budget;
pub use clock::Instant;
pub use context::{Attempt, Context, Criticality, Deadline, TaskKey};
pub use control::{Control, Setting};
pub use dependency::Dependency;
pub use event::{Bell, Event, GivenUp, Listening, Made, Next, Observer, Subscription, What, observe, observer_panics};
pub use future::{Call, GuardedFuture};
pub use guard::{Guard, guard};
pub use guarded::Guarded;
pub use invalid::Invalid;
pub use keyed::{Fresh, Keyed};
pub use kind::{Breaks, Cutting, Ends, Immediate, Kind, Lasting, Waiting};
pub use name::Name;
pub use oneshot::Oneshot;
pub use outcome::{Degraded, Ended, Outcome, Reading};
pub use plain::{ByResult, Classify, ClassifyWith, Plain};
pub use policy::{Admit, Policy, Timing};
pub use protocol::{Carries, Protocol};
pub use ratio::Ratio;
pub use rejected::{Refused, Rejected, Why};
pub use run::{Run, RunFuture, WaitingCall, WaitingFuture};
pub use shadow::Shadow;
pub use ticket::Ticket;
#[cfg(feature = "http")]
pub(crate) use ticket::{poll_cut, watch};
pub use weighted::Weighted;
