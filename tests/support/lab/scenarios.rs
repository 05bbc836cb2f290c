//! The experiments, and what is looked at in each.

use std::ops::Range;

use super::{Change, Distribution, Experiment, Ran, Report, Sharing, Stack};

/// An experiment by name, and its figures.
pub struct Scenario {
    pub name: String,
    pub make: Box<dyn Fn(u64) -> Experiment>,
    pub figures: Vec<Figure>,
}

impl Scenario {
    pub fn make_one(&self, seed: u64) -> Experiment {
        (self.make)(seed)
    }

    /// The same, cut off after so many seconds.
    pub fn within(self, seconds: f64) -> Self {
        let make = self.make;
        Self { make: Box::new(move |seed| make(seed).within(seconds)), ..self }
    }

    /// Its figures, each the worst of these seeds.
    pub fn worst(&self, stack: Stack, seeds: Range<u64>) -> Vec<(&'static str, f64)> {
        self.worst_of(&self.runs(stack, seeds))
    }

    /// A run for each of these seeds.
    pub fn runs(&self, stack: Stack, seeds: Range<u64>) -> Vec<Ran> {
        let run = |seed| {
            let experiment = self.make_one(seed);
            (experiment.run(stack), experiment)
        };
        seeds.map(run).collect()
    }

    /// Its figures, each the worst of these runs.
    pub fn worst_of(&self, runs: &[Ran]) -> Vec<(&'static str, f64)> {
        let worst = |(name, read): &Figure| {
            let figures = runs.iter().map(|(report, experiment)| read(report, experiment));
            (*name, if *name == LONGEST { figures.fold(0.0, f64::max) } else { figures.fold(f64::MAX, f64::min) })
        };
        self.figures.iter().map(worst).collect()
    }
}

/// The one figure of which less is better.
const LONGEST: &str = "p99/SLO";

/// What it is called, and how it is read from a report.
pub type Figure = (&'static str, fn(&Report, &Experiment) -> f64);

const LOGNORMAL: Distribution = Distribution::Lognormal { sigma: 0.6 };

/// The first seconds are not looked at; neither is what is still open at the end.
fn steady(experiment: &Experiment) -> (f64, f64) {
    (10.0, experiment.seconds - 4.0 * experiment.patience - 0.5)
}

fn goodput(report: &Report, experiment: &Experiment) -> f64 {
    let (from, to) = steady(experiment);
    let offered = experiment.load[0].1 / experiment.capacity();
    report.goodput(from, to) / offered.min(1.0)
}

fn critical(report: &Report, experiment: &Experiment) -> f64 {
    let (from, to) = steady(experiment);
    report.success(Some(0), from, to)
}

fn whole_tasks(report: &Report, experiment: &Experiment) -> f64 {
    let (from, to) = steady(experiment);
    report.whole(from, to) / 0.5
}

fn longest(report: &Report, experiment: &Experiment) -> f64 {
    report.quantile(0.99) / experiment.patience
}

const STEADY: [Figure; 3] = [("goodput", goodput), ("P0", critical), (LONGEST, longest)];

fn scenario(name: impl Into<String>, make: impl Fn(u64) -> Experiment + 'static, figures: &[Figure]) -> Scenario {
    Scenario { name: name.into(), make: Box::new(make), figures: figures.to_vec() }
}

/// Steady overload with that distribution.
pub fn steady_overload() -> Vec<Scenario> {
    let distributions = [
        ("lognormal", LOGNORMAL, 0.1),
        ("constant", Distribution::Constant, 0.1),
        ("bimodal", Distribution::Bimodal, 0.4),
        ("exponential", Distribution::Exponential, 0.2),
        ("heavy tail", Distribution::Heavy { exponent: 2.2 }, 0.4),
    ];
    let loads = [0.5, 0.9, 1.2, 2.0, 4.0];
    let each = distributions.into_iter().flat_map(|distribution| loads.map(|times| (distribution, times)));
    each.map(|((name, distribution, patience), times)| {
        let make = move |seed| Experiment::s1(times, seed).with(distribution, patience);
        scenario(format!("S1 {name} {times}x"), make, &STEADY)
    })
    .collect()
}

/// Few workers and many, fast and slow.
pub fn scales() -> Vec<Scenario> {
    let scales = [1, 4, 16, 64].into_iter().flat_map(|workers| [0.001, 0.02, 0.2].map(|mean| (workers, mean)));
    scales
        .flat_map(|scale| [0.9, 2.0, 4.0].map(|times| (scale, times)))
        .map(|((workers, mean), times)| {
            let make = move |seed| {
                let experiment = Experiment { patience: 0.2, ..Experiment::s1(times, seed) }.scaled(workers, mean);
                // As many calls, within bounds: a fast server is looked at for a shorter time.
                let seconds = (40_000.0 / experiment.capacity()).clamp(14.0, 300.0);
                Experiment { seconds, ..experiment }
            };
            scenario(format!("{workers} x {} ms {times}x", mean * 1000.0), make, &STEADY)
        })
        .collect()
}

/// Servers of other kinds.
pub fn kinds() -> Vec<Scenario> {
    let mut all = Vec::new();
    for times in [0.9, 2.0, 4.0] {
        let shared = move |seed| {
            let mut experiment = Experiment::s1(times, seed);
            experiment.machine.sharing = Sharing::Processor;
            experiment
        };
        let contended = move |seed| {
            let mut experiment = Experiment::s1(times, seed);
            experiment.machine.sharing = Sharing::Contention(0.005);
            experiment
        };
        let cancels = move |seed| {
            let mut experiment = Experiment::s1(times, seed);
            experiment.machine.cancels = true;
            experiment
        };
        let mixed = move |seed| Experiment { mixed: true, ..Experiment::s1(times, seed) };
        all.push(scenario(format!("processor sharing {times}x"), shared, &STEADY));
        all.push(scenario(format!("contention {times}x"), contended, &STEADY));
        all.push(scenario(format!("cancels {times}x"), cancels, &STEADY));
        all.push(scenario(format!("mixed costs {times}x"), mixed, &STEADY));
    }
    all
}

/// What changes while it runs.
pub fn changes() -> Vec<Scenario> {
    let step = |seed| Experiment {
        load: vec![(0.0, 560.0), (20.0, 2400.0), (40.0, 560.0)],
        seconds: 60.0,
        ..Experiment::s1(0.7, seed)
    };
    let slower = |seed| {
        let changes = vec![(20.0, Change::Slower(4.0)), (20.0, Change::Workers(64))];
        Experiment { changes, patience: 1.0, ..Experiment::s1(0.7, seed) }
    };
    let errors = |seed| Experiment {
        changes: vec![(15.0, Change::Fail(0.95)), (25.0, Change::Fail(0.0))],
        ..Experiment::s1(0.8, seed)
    };
    let errors_in_overload = move |seed| Experiment { load: vec![(0.0, 1600.0)], ..errors(seed) };
    let stall = |seed| Experiment {
        changes: vec![(15.0, Change::Stall(true)), (25.0, Change::Stall(false))],
        patience: 0.2,
        ..Experiment::s1(0.8, seed)
    };
    let hang = |seed| Experiment {
        changes: vec![(15.0, Change::Hang(true)), (25.0, Change::Hang(false))],
        patience: 0.2,
        ..Experiment::s1(0.8, seed)
    };
    let cold = |seed| Experiment { seconds: 12.0, ..Experiment::s1(4.0, seed).scaled(64, 0.02) };
    let cold_single = |seed| Experiment { patience: 0.2, seconds: 100.0, ..Experiment::s1(2.0, seed) }.scaled(1, 0.2);
    let after: [Figure; 3] = [
        ("0.5-1 s after", |report, _| report.goodput(25.5, 26.0) / 0.8),
        ("1-2 s after", |report, _| report.goodput(26.0, 27.0) / 0.8),
        ("later", |report, _| report.goodput(27.0, 35.0) / 0.8),
    ];
    vec![
        scenario(
            "S1-step",
            step,
            &[
                ("first 0.5 s", |report, _| report.goodput(20.0, 20.5)),
                ("next 0.5 s", |report, _| report.goodput(20.5, 21.0)),
                ("later", |report, _| report.goodput(21.0, 39.0)),
                ("back, 0.5 s", |report, _| report.success(None, 40.0, 40.5)),
                ("back, later", |report, _| report.success(None, 40.5, 55.0)),
            ],
        ),
        scenario(
            "S1b",
            Experiment::s1b,
            &[
                ("before", |report, _| report.success(None, 10.0, 19.5)),
                ("dip", |report, _| report.goodput(20.0, 40.0) * 8.0),
                ("dip P0", |report, _| report.success(Some(0), 20.0, 40.0)),
                ("2-3 s after", |report, _| report.success(None, 42.0, 43.0)),
                ("later", |report, _| report.success(None, 42.0, 58.0)),
            ],
        ),
        scenario(
            "4x slower",
            slower,
            &[
                ("first 2 s", |report, _| report.goodput(20.0, 22.0) / 0.7),
                ("2-5 s", |report, _| report.goodput(22.0, 25.0) / 0.7),
                ("later", |report, _| report.goodput(25.0, 39.0) / 0.7),
            ],
        ),
        scenario("fast errors", errors, &[("0.5 s after", |report, _| report.goodput(25.0, 25.5) / 0.8), after[2]]),
        scenario(
            "fast errors 2x",
            errors_in_overload,
            &[
                ("0.5 s after", |report, _| report.goodput(25.0, 25.5)),
                ("later", |report, _| report.goodput(26.0, 35.0)),
            ],
        ),
        scenario("stall", stall, &after),
        scenario("hang", hang, &after),
        scenario(
            "cold, 64 workers 4x",
            cold,
            &[
                ("first 0.5 s", |report, _| report.goodput(0.0, 0.5)),
                ("next", |report, _| report.goodput(0.5, 1.0)),
                ("later", |report, _| report.goodput(1.0, 11.0)),
            ],
        ),
        scenario("cold, 1 x 200 ms 2x", cold_single, &STEADY),
    ]
}

/// Tasks of several calls, all of which are needed.
pub fn tasks() -> Vec<Scenario> {
    let each = [1, 2, 3, 4].map(|calls| {
        let make = move |seed| Experiment { calls_per_task: calls, ..Experiment::s1(2.0, seed) };
        scenario(format!("S1c {calls} calls"), make, &[("whole tasks", whole_tasks)])
    });
    each.into()
}

/// Many clients of one server, each of which knows nothing of the others.
pub fn many_clients() -> Vec<Scenario> {
    let mut all = Vec::new();
    for clients in [4, 16] {
        for rejection_cost in [0.0, 0.1] {
            let of = move |experiment| Experiment { clients, rejection_cost, ..experiment };
            let named = |what: &str| format!("{what}, {clients} at {rejection_cost}");
            let tasks = move |seed| of(Experiment { calls_per_task: 4, ..Experiment::s1(2.0, seed) });
            let dip: [Figure; 3] = [
                ("dip", |report, _| report.goodput(20.0, 40.0) * 8.0),
                ("dip P0", |report, _| report.success(Some(0), 20.0, 40.0)),
                ("2nd s after", |report, _| report.success(None, 41.0, 42.0)),
            ];
            all.push(scenario(named("2x"), move |seed| of(Experiment::s1(2.0, seed)), &STEADY));
            all.push(scenario(named("4x"), move |seed| of(Experiment::s1(4.0, seed)), &STEADY));
            all.push(scenario(named("4 calls"), tasks, &[("whole tasks", whole_tasks)]));
            all.push(scenario(named("S1b"), move |seed| of(Experiment::s1b(seed)), &dip));
        }
    }
    all.extend(restarts());
    all
}

/// The server answers nothing at all for ten seconds.
fn restarts() -> Vec<Scenario> {
    let after: [Figure; 2] = [
        ("2nd s after", |report, _| report.goodput(26.0, 27.0) / 0.8),
        ("later", |report, _| report.goodput(27.0, 35.0) / 0.8),
    ];
    let mut all = Vec::new();
    for (name, change) in [("stall", Change::Stall as fn(bool) -> Change), ("hang", Change::Hang)] {
        for (clients, rejection_cost) in [(4, 0.0), (4, 0.1), (16, 0.0), (16, 0.1)] {
            let make = move |seed| {
                let changes = vec![(15.0, change(true)), (25.0, change(false))];
                Experiment { changes, patience: 0.2, clients, rejection_cost, ..Experiment::s1(0.8, seed) }
            };
            all.push(scenario(format!("{name}, {clients} at {rejection_cost}"), make, &after));
        }
    }
    all
}
