//! What cofferdam and its peers do in trouble: the experiments of the laboratory, beside other crates.
//!
//! `cargo run --release --features laboratory --bin efficacy` takes a quarter of an hour and prints all of it, `.. -- --quick`
//! half a minute, with one seed, and leaves out what takes real time. With `retrying`, `hedging`, `pool` or `contention` it is that
//! part. Either fails if ours, with its defaults, is worse than a peer in what a scenario is about; what ours is worse in
//! otherwise is in the tables all the same.
//!
//! Each figure is the worst of three seeds. What the scenarios are is said in `tests/support/lab`.
//!
//! How the peers are set is said where they are made: by default, or as their documentation recommends. Each attempt is
//! given up after a second, as with ours. What they are, and where they have no row:
//!
//! - **tower**: a retry with a budget, whose backoff is the laboratory's, a hedge after a percentile that somebody has to
//!   choose, and limits that somebody has to choose. It has no breaker.
//! - **tower-resilience**: retry, two budgets, hedge, breaker, bulkhead and time limiter. Its breaker and its token bucket
//!   read the system's clock. Nothing tells its retries of each other in services in a row (nor does anything tell tower's or
//!   seatbelt's). The count window of its breaker does not slide: it counts from the last change of state.
//! - **seatbelt**: retry, breaker, hedging and timeout, on a clock of its own, which is made to go here as tokio's does, to
//!   a millisecond; by itself it goes as the system's. It has no budget, no bulkhead and no limit.
//! - **recloser** and **failsafe**: breakers around futures, and no more: they stand behind tower's retry and its budget, and have no
//!   rows for hedges, nor where calls fail by chance. They read the system's clock.
//!
//! What reads the system's clock cannot be measured in virtual time: that it does is found out by letting an hour pass for an
//! open breaker. It is run in real time instead, all at once. What our own row is there beside them is no slower either.

#![allow(missing_docs, unreachable_pub, dead_code)] // the laboratory is shared with the tests

mod clocks;
mod contention;
mod hedging;
#[path = "../../../../tests/support/lab/mod.rs"]
mod lab;
mod pool;
mod remote;
mod retrying;
mod table;
mod theirs;

fn main() {
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    let quick = asked("--quick");
    let all = !["retrying", "hedging", "pool", "contention"].into_iter().any(asked);
    let seeds = if quick { 0..1 } else { 0..3 };
    if all || asked("retrying") {
        retrying::print(!quick, seeds.clone());
    }
    if all || asked("hedging") {
        hedging::print(if quick { 1_000 } else { 20_000 }, seeds.clone());
    }
    if all || asked("pool") {
        pool::print(!quick, seeds);
    }
    if all || asked("contention") {
        contention::print();
    }
}
