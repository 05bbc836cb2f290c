//! What each layer costs per call over a service that is ready at once, beside tower's own.
//!
//! - `cargo bench --bench overhead` prints tables of ratios, then runs criterion.
//! - `cargo bench --bench overhead -- table` prints the tables only.
//! - `cargo bench --bench overhead -- --test` runs everything once and judges nothing.
//!
//! The tables are for comparing: their batches alternate, so that a busy machine slows all subjects alike. Criterion's
//! figures are for following one subject over time. No table ever fails the run: times are for people to read.
#![allow(missing_docs)]

#[path = "overhead/admitted.rs"]
mod admitted;
#[path = "overhead/policies.rs"]
mod policies;
#[path = "overhead/rejected.rs"]
mod rejected;
#[path = "overhead/sizes.rs"]
mod sizes;
mod support;
#[path = "overhead/waiting.rs"]
mod waiting;
#[path = "overhead/window.rs"]
mod window;

use std::{env, time::Duration};

use criterion::Criterion;
use support::{Effort, pair, pair::Pair, subject::Subject, table::Table};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let given = |argument: &str| arguments.iter().any(|given| given == argument);
    let runtime = support::runtime();
    let _entered = runtime.enter();
    if !given("--list") {
        // Cargo says `--bench` to benches that are to be run, and not to those that are to be tested.
        let smoke = given("--test") || !given("--bench");
        tables(if smoke { Effort::SMOKE } else { Effort::FULL });
    }
    if !given("table") {
        criterion();
    }
}

fn tables(effort: Effort) {
    if cfg!(feature = "test-util") {
        println!("The feature `test-util` is on: these are not the figures of production.");
    }
    Table::new("admitted", admitted::subjects()).print(effort);
    Table::new("rejected", rejected::subjects()).print(effort);
    Table::new("admitted, a clone of the service per call", admitted::cloned()).print(effort);
    for mut table in window::tables() {
        table.print(effort);
    }
    waiting::table().print(effort);
    pair::print("two threads on clones of one service, against one alone", &mut admitted::pairs(), effort);
    sizes::print();
    println!();
}

fn criterion() {
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args();
    group(&mut criterion, "admitted", admitted::subjects());
    group(&mut criterion, "rejected", rejected::subjects());
    group(&mut criterion, "cloned", admitted::cloned());
    group_of_pairs(&mut criterion, admitted::pairs());
    criterion.final_summary();
}

fn group(criterion: &mut Criterion, name: &str, subjects: Vec<Subject>) {
    let mut group = criterion.benchmark_group(name);
    for mut subject in subjects {
        group.bench_function(subject.name, |bencher| bencher.iter_custom(|calls| subject.run(calls)));
    }
    group.finish();
}

/// The time of both threads for as many calls each.
fn group_of_pairs(criterion: &mut Criterion, pairs: Vec<Pair>) {
    let mut group = criterion.benchmark_group("two threads");
    for mut pair in pairs {
        group.bench_function(pair.name, |bencher| bencher.iter_custom(|calls| pair.together(calls)));
    }
    group.finish();
}
