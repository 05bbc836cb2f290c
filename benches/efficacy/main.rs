//! Does it contain? Overloaded servers in virtual time, beside other stacks: see `tests/support/lab`.
//!
//! - `cargo bench --bench efficacy --features test-util` prints the table of the crate's own stack, then runs criterion.
//! - `.. -- table` prints the table only, `.. -- table S1b` those scenarios whose name has that in it, and with `all` for
//!   all stacks; `.. -- table 3..8` with those seeds in place of the first three. With `fixed`, it is each limit that stays
//!   what it is in place of the crate's own: what one could do who knows the best.
//! - `.. -- report` draws each scenario beside other stacks, on one page: `target/efficacy/report.html`. It takes some minutes,
//!   `.. -- report S1b` much less; with seeds as above, and with `--pictures docs` those that the README shows are written there.
//! - `.. -- --test` runs everything briefly and judges nothing.
//!
//! Each figure is the worst of its seeds. What the figures must reach is asserted in `tests/efficacy/`.
#![allow(missing_docs, unreachable_pub, dead_code)] // the laboratory is shared with the tests

#[path = "../../tests/support/lab/mod.rs"]
mod lab;
mod report;

use std::{env, ops::Range, process::ExitCode};

use cofferdam::Hedge;
use criterion::Criterion;
use lab::{
    Experiment, Stack, Way, attempts, contention,
    fanout::{self, Hedging},
    front::{self, Around, Front},
    plots::Effort,
    scenarios::{self, Scenario},
    stampede,
};

/// The seeds that were asked for, or the first three.
fn seeds() -> Range<u64> {
    env::args().find_map(|argument| range(&argument)).unwrap_or(0..3)
}

fn range(argument: &str) -> Option<Range<u64>> {
    let (from, to) = argument.split_once("..")?;
    Some(from.parse().ok()?..to.parse().ok()?)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let given = |argument: &str| arguments.iter().any(|given| given == argument);
    if given("report") {
        return report_of(&arguments);
    }
    let smoke = given("--test") || !given("--bench");
    if smoke {
        Stack::ALL.iter().for_each(|stack| drop(Experiment { seconds: 2.0, ..Experiment::s1(2.0, 0) }.run(*stack)));
        let brief = Front { lasts: 1.0, ..Front::s4(front::Trouble::Slower(25.0), 0) };
        let arounds = [Around::Nothing, Around::Tower(32), Around::Breaker, Around::Pool];
        arounds.iter().for_each(|around| drop(brief.run(*around)));
    } else if !given("--list") {
        let words = ["table", "all", "fixed"];
        let is_part = |word: &str| !word.starts_with("--") && !words.contains(&word) && range(word).is_none();
        let part = arguments.iter().find(|word| is_part(word));
        if given("fixed") {
            fixed(part.map(String::as_str));
            return ExitCode::SUCCESS;
        }
        table(part.map(String::as_str), given("all"));
        fronts(part.map(String::as_str), given("all"));
    }
    if !given("table") {
        criterion();
    }
    ExitCode::SUCCESS
}

fn report_of(arguments: &[String]) -> ExitCode {
    let folder = arguments.iter().position(|word| word == "--pictures").map(|index| index + 1);
    let pictures = folder.and_then(|index| arguments.get(index)).map(String::as_str);
    let is_part = |word: &str| !word.starts_with("--") && word != "report" && range(word).is_none();
    let mut parts = arguments.iter().enumerate().filter(|(index, word)| is_part(word) && Some(*index) != folder);
    let part = parts.next().map(|(_, word)| word.as_str());
    match report::report(part, &Effort { seeds: seeds(), is_brief: false }, pictures) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn table(part: Option<&str>, all: bool) {
    for scenario in overloads(part) {
        let own = if scenario.make_one(0).clients > 1 { Stack::Throttled } else { Stack::Shed };
        let stacks = if all { Stack::ALL.to_vec() } else { vec![own] };
        stacks.iter().for_each(|stack| print(&scenario, *stack));
    }
    attempts(part, all);
}

/// Limits that stay what they are.
fn fixed(part: Option<&str>) {
    const LIMITS: [u32; 17] = [1, 2, 3, 4, 5, 6, 8, 12, 14, 16, 18, 20, 24, 28, 32, 64, 80];
    for scenario in overloads(part) {
        LIMITS.iter().for_each(|limit| print(&scenario, Stack::Fixed(*limit)));
    }
}

fn overloads(part: Option<&str>) -> impl Iterator<Item = Scenario> {
    let groups = [
        scenarios::steady_overload(),
        scenarios::changes(),
        scenarios::tasks(),
        scenarios::kinds(),
        scenarios::scales(),
        scenarios::many_clients(),
    ];
    groups.into_iter().flatten().filter(move |scenario| part.is_none_or(|part| scenario.name.contains(part)))
}

/// Those in which calls are sent again: beside other ways to do that with `all`.
fn attempts(part: Option<&str>, all: bool) {
    let stalls = [Way::Breaker, Way::Limit, Way::Throttle, Way::Always, Way::Tower, Way::Budget];
    let failures = [Way::Budget, Way::Breaker, Way::Always, Way::Tower];
    let stampedes = [Way::Limit, Way::Throttle, Way::Breaker, Way::Always, Way::Tower, Way::Budget];
    let layers = [Way::Layers, Way::LayersPlain, Way::LayersUnmarked, Way::LayersAlways];
    let groups: [(&[Way], _); 8] = [
        (&stalls, attempts::stalls()),
        (&stalls, attempts::waves()),
        (&stalls, attempts::weaknesses()),
        (&stampedes, stampede::stampedes()),
        (&failures, attempts::chances()),
        (&failures, attempts::steps()),
        (&failures, attempts::blips()),
        (&layers, attempts::layers()),
    ];
    for (ways, trials) in groups {
        for trial in trials.iter().filter(|trial| part.is_none_or(|part| trial.name.contains(part))) {
            for way in &ways[..if all { ways.len() } else { 1 }] {
                print_row(&trial.name, format!("{way:?}"), trial.worst(*way, seeds()));
            }
        }
    }
    if part.is_none_or(|part| "S5".contains(part)) {
        contention(all);
    }
    if part.is_none_or(|part| "S2".contains(part)) {
        fan_outs(all);
    }
    if part.is_none_or(|part| "S2b".contains(part)) {
        slow_servers(all);
    }
}

/// A way to send calls again that is made anew for each run, as a hedge learns.
type Named = (&'static str, fn() -> Hedging);

/// How calls to leaves are sent again, by its name: the crate's own, what others do, and what somebody could do who knows
/// all.
fn hedges(all: bool) -> Vec<Named> {
    let others: [Named; 5] = [
        ("Nothing", || Hedging::Never),
        ("Tower p95", || Hedging::Tower(0.95)),
        ("Tower p98", || Hedging::Tower(0.98)),
        ("After 10 ms", || Hedging::After(10)),
        ("Oracle", || Hedging::Oracle),
    ];
    let own: Named = ("Hedge", || Hedging::Ours(Hedge::builder("leaves").build().expect("the defaults are valid")));
    [own].into_iter().chain(others.into_iter().filter(|_| all)).collect()
}

/// Those that wait for the slowest of many leaves.
fn fan_outs(all: bool) {
    for leaves in [100, 20] {
        for (name, way) in hedges(all) {
            print_row(&format!("S2, {leaves} leaves"), name.into(), fanout::s2_worst(way, leaves, 20_000, seeds()));
        }
    }
}

/// A server that becomes slow while calls to it are hedged. What is served in time is only as good as without, and how long
/// the slowest take is only as good as the server's line, which somebody who knows all does not pass by either.
fn slow_servers(all: bool) {
    for load in [0.25, 0.4, 0.6, 0.75, 0.9, 0.98] {
        for slower in [1.5, 10.0, 50.0] {
            for (name, way) in hedges(all) {
                let figures = fanout::s2b_worst(way, load, slower, seeds());
                print_row(&format!("S2b {load}, {slower} times slower"), name.into(), figures);
            }
        }
    }
}

/// Clients that all change one row.
fn contention(all: bool) {
    let backoffs = contention::backoffs();
    for clients in [20, 50, 100, 200] {
        for (name, backoff) in &backoffs[..if all { backoffs.len() } else { 1 }] {
            let mean = contention::mean(clients, backoff.as_ref());
            let figures = vec![("seconds", mean.seconds), ("calls", mean.calls as f64)];
            print_row(&format!("S5, {clients} clients"), (*name).into(), figures);
        }
    }
}

/// S4: a front end and its two dependencies.
fn fronts(part: Option<&str>, all: bool) {
    let cells = front::cells::matrix().into_iter().map(|front| (front.name(), front));
    let others = front::cells::others().into_iter().map(|(name, front)| (format!("{}, {name}", front.name()), front));
    let beside = [Around::Nothing, Around::Tower(16), Around::Tower(32), Around::Breaker];
    let arounds: Vec<_> = beside.into_iter().filter(|_| all).chain([Around::Pool]).collect();
    for (name, front) in cells.chain(others).filter(|(name, _)| part.is_none_or(|part| name.contains(part))) {
        arounds.iter().for_each(|around| print_front(&name, front, *around));
    }
}

fn print_front(name: &str, front: Front, around: Around) {
    let figures = front.worst(around, seeds());
    println!(
        "{name:34} {:9} A lost {:.4}  A late {:.3}  B {:.3} of {:.3}: {:.3}  at once {:.3}  calls {:.2}, known {:.2}  back {:.1}/{:.1}  before {:.4}",
        format!("{around:?}"),
        figures.a_lost,
        figures.a_late,
        figures.b_good,
        front.possible(),
        figures.b_of_possible,
        figures.b_at_once,
        figures.calls,
        figures.calls_once_known,
        figures.b_back,
        figures.b_recovery,
        figures.lost_before,
    );
}

fn print(scenario: &Scenario, stack: Stack) {
    print_row(&scenario.name, format!("{stack:?}"), scenario.worst(stack, seeds()));
}

fn print_row(name: &str, stack: String, figures: Vec<(&str, f64)>) {
    print!("{name:26} {stack:14}");
    for (name, figure) in figures {
        print!("  {name} {figure:.3}");
    }
    println!();
}

/// What a second of S1 at twice the capacity costs in real time: 1600 calls, the server and its callers included.
fn criterion() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("a second of S1 at 2x");
    for stack in Stack::ALL {
        let experiment = Experiment { seconds: 1.0, ..Experiment::s1(2.0, 0) };
        group.bench_function(format!("{stack:?}"), |bencher| bencher.iter(|| experiment.run(stack)));
    }
    group.finish();
    criterion.final_summary();
}
