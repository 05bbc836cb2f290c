//! What travels with a request, what is believed of it, and what it is worth.
#![allow(missing_docs)]

mod carried;
mod rank;
#[path = "../support/mod.rs"]
mod support;
mod texts;
mod trust;

use std::time::Duration;

use cofferdam::{
    Attempt, Context, Criticality, Deadline, Instant, TaskKey,
    context::{self, CarriedDeadline, DeadlineSource, NoDeadline, Rank, RankSource, TimeoutText, Trust},
};
use support::{Ask, Letter};

const SECOND: Duration = Duration::from_secs(1);

fn trust() -> Trust {
    Trust::builder().longest_deadline(100 * SECOND).build().unwrap()
}
