//! Does it contain? Overloaded servers in virtual time: see `tests/support/lab`.
#![allow(unreachable_pub)] // the laboratory is shared with the tests

#[path = "../../tests/support/lab/mod.rs"]
mod lab;

use lab::{
    Stack,
    scenarios::{self, Scenario},
};

const SEEDS: u64 = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let stacks = match arguments.iter().any(|argument| argument == "all") {
        true => vec![Stack::Nothing, Stack::TowerLimit, Stack::Bulkhead, Stack::Limit, Stack::Shed],
        false => vec![Stack::Shed],
    };
    let groups = [
        scenarios::steady_overload(),
        scenarios::changes(),
        scenarios::tasks(),
        scenarios::kinds(),
        scenarios::scales(),
    ];
    for scenario in groups.into_iter().flatten() {
        if arguments.first().is_none_or(|part| part == "all" || scenario.name.contains(part.as_str())) {
            stacks.iter().for_each(|stack| print(&scenario, *stack));
        }
    }
}

/// The worst of all seeds.
fn print(scenario: &Scenario, stack: Stack) {
    let runs: Vec<_> = (0..SEEDS)
        .map(|seed| {
            let experiment = (scenario.make)(seed);
            (experiment.run(stack), experiment)
        })
        .collect();
    print!("{:24} {:12}", scenario.name, format!("{stack:?}"));
    for (name, read) in &scenario.figures {
        let figures = runs.iter().map(|(report, experiment)| read(report, experiment));
        let worst = if *name == "p99/SLO" { figures.fold(0.0, f64::max) } else { figures.fold(f64::MAX, f64::min) };
        print!("  {name} {worst:.3}");
    }
    println!();
}
