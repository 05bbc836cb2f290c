//! What cofferdam and its peers cost per call, in one table: same service, same driver, batches in turn.
//!
//! `cargo run --release` prints it; with `--quick` it takes a moment and gives the direction. `cargo run --release --
//! overload` prints another one, of what they do when twice as much comes as can be done: see `overload.rs`.
//!
//! What each of them is, and where it does something else than ours:
//!
//! - **tower-resilience**, breaker and bulkhead: Tower layers. Each call clones the inner service and boxes its future;
//!   the breaker takes an asynchronous lock at both ends of a call, and judges a window of 100 calls. "At once" is the
//!   bulkhead set to reject when full; it does so by a timer of length zero, so not before a runtime drives its timers,
//!   and it has no row among the rejections.
//! - **recloser**: a breaker over the last 100 calls, for closures and futures; it is no layer and reads no clock while
//!   closed. It knows failures, not slow calls.
//! - **failsafe**: a breaker over a success rate with a decaying average or a run of failures, for closures and futures;
//!   no layer. It knows failures, not slow calls.
//! - **tower-acc**: a layer that adapts a concurrency limit (`Vegas` here), acquired in `poll_ready` as tower's is; it
//!   takes a lock at the end of each call. A full one waits, so it has no row among the rejections.
//! - **little-loadshedder**: a layer that sheds load by Little's law; it boxes the future and takes a lock at both ends.
//!   Its queue is never full with one caller, so it has no row among the rejections.
//!
//! On two threads, tower-resilience's breaker and little-loadshedder make one caller wait for the other, which takes a
//! runtime and would measure that: they have no rows there.
//!
//! All run with their defaults, except that limits are 64 and open times an hour.

#[path = "../../support/mod.rs"]
mod support;

#[allow(dead_code, unreachable_pub, unused_imports)] // shared with a test
#[path = "../../../tests/support/live/mod.rs"]
mod live;

mod ours;
mod overload;
mod theirs;

use support::{Effort, pair, subject::Subject, table::Table};
use tower::ServiceBuilder;

/// Slots for everything that counts them.
const SLOTS: usize = 64;

fn main() {
    let asked = |word| std::env::args().any(|argument| argument == word);
    if asked("overload") {
        return overload::print(asked("--quick"));
    }
    let runtime = support::runtime();
    let _entered = runtime.enter();
    let effort = if asked("--quick") { Effort::QUICK } else { Effort::FULL };
    Table::new("admitted", admitted()).print(effort);
    Table::new("rejected", rejected()).print(effort);
    pair::print("two threads on clones of one service, against one alone", &mut pairs(), effort);
}

fn admitted() -> Vec<Subject> {
    let mut subjects = vec![unit()];
    subjects.extend(ours::admitted());
    subjects.extend(theirs::admitted());
    subjects
}

fn rejected() -> Vec<Subject> {
    let mut subjects = vec![unit()];
    subjects.extend(ours::rejected());
    subjects.extend(theirs::rejected());
    subjects
}

fn pairs() -> Vec<pair::Pair> {
    let mut pairs = vec![pair::Pair::new("tower ConcurrencyLimit", limit())];
    pairs.extend(ours::pairs());
    pairs.extend(theirs::pairs());
    pairs
}

fn unit() -> Subject {
    Subject::service("tower ConcurrencyLimit", limit())
}

fn limit() -> tower::limit::ConcurrencyLimit<support::drive::Work> {
    ServiceBuilder::new().concurrency_limit(SLOTS).service(support::drive::Work)
}
