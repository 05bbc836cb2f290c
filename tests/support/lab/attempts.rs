//! The experiments of those who send calls again, and what is looked at in each.

use std::{convert::identity, ops::Range};

use super::{Change, Client, Distribution, Experiment, Machine, Pace, Ran, Report, Server, Sharing, Way};

/// An experiment by name, and its figures.
pub struct Trial {
    pub name: String,
    make: Box<dyn Fn(u64) -> Experiment + Send + Sync>,
    between: fn(Client) -> Client,
    figures: Vec<Figure>,
}

/// What a figure is called, which end of it is the worse, and how it is read from a report.
#[derive(Clone, Copy)]
pub struct Figure {
    name: &'static str,
    worse: fn(f64, f64) -> f64,
    read: fn(&Report, &Experiment) -> f64,
}

pub const fn most(name: &'static str, read: fn(&Report, &Experiment) -> f64) -> Figure {
    Figure { name, worse: f64::max, read }
}

pub const fn least(name: &'static str, read: fn(&Report, &Experiment) -> f64) -> Figure {
    Figure { name, worse: f64::min, read }
}

impl Trial {
    pub fn new(
        name: impl Into<String>,
        make: impl Fn(u64) -> Experiment + Send + Sync + 'static,
        figures: &[Figure],
    ) -> Self {
        Self { name: name.into(), make: Box::new(make), between: identity, figures: figures.to_vec() }
    }

    /// The same, with something else between the clients and the server.
    pub fn by(self, between: fn(Client) -> Client) -> Self {
        Self { between, ..self }
    }

    /// The same, cut off after so many seconds.
    pub fn within(self, seconds: f64) -> Self {
        let make = self.make;
        Self { make: Box::new(move |seed| make(seed).within(seconds)), ..self }
    }

    /// Its figures, each the worst of these seeds.
    pub fn worst(&self, way: Way, seeds: Range<u64>) -> Vec<(&'static str, f64)> {
        self.worst_of(&self.runs(way, seeds))
    }

    /// The same with clients that go to the server in a way of their own.
    pub fn worst_by(
        &self,
        pace: Pace,
        seeds: Range<u64>,
        clients: impl Fn(&Server, usize) -> Vec<Client> + Sync,
    ) -> Vec<(&'static str, f64)> {
        self.worst_of(&self.runs_by(pace, seeds, clients))
    }

    /// A run for each of these seeds.
    pub fn runs(&self, way: Way, seeds: Range<u64>) -> Vec<Ran> {
        self.runs_by(Pace::Virtual, seeds, |server, count| way.clients(server, count))
    }

    fn runs_by(
        &self,
        pace: Pace,
        seeds: Range<u64>,
        clients: impl Fn(&Server, usize) -> Vec<Client> + Sync,
    ) -> Vec<Ran> {
        let run = |seed| {
            let experiment = (self.make)(seed);
            let all = |server: &Server| clients(server, experiment.clients).into_iter().map(self.between).collect();
            (experiment.run_by(pace, all), experiment)
        };
        pace.each(seeds, run)
    }

    /// Its figures, each the worst of these runs.
    pub fn worst_of(&self, runs: &[Ran]) -> Vec<(&'static str, f64)> {
        let worst = |figure: &Figure| {
            let each = runs.iter().map(|(report, experiment)| (figure.read)(report, experiment));
            (figure.name, each.reduce(figure.worse).unwrap_or(f64::NAN))
        };
        self.figures.iter().map(worst).collect()
    }

    /// Its figures beside what they must reach, in their order, with whether they do.
    pub fn reaches(&self, way: Way, seeds: Range<u64>, bounds: &[f64]) -> Vec<(&'static str, f64, f64, bool)> {
        let figures = self.worst(way, seeds);
        assert_eq!(figures.len(), bounds.len(), "{}: {figures:?}", self.name);
        let each = self.figures.iter().zip(figures).zip(bounds);
        each.map(|((figure, (name, value)), bound)| (name, value, *bound, (figure.worse)(value, *bound) == *bound))
            .collect()
    }
}

/// When it begins that something is wrong.
const TRIGGER: f64 = 20.0;

/// S3: 3 workers that take 10 ms each time, so many times what they can do, and a stall of that length. Callers wait for as long as
/// four attempts may take.
pub fn stall(load: f64, seconds: f64, clients: usize, seed: u64) -> Experiment {
    let machine = Machine {
        workers: 3,
        mean: 0.01,
        distribution: Distribution::Constant,
        sharing: Sharing::Queue,
        cancels: false,
    };
    Experiment {
        machine,
        patience: 5.0,
        load: vec![(0.0, 300.0 * load)],
        changes: vec![(TRIGGER, Change::Stall(true)), (TRIGGER + seconds, Change::Stall(false))],
        clients,
        in_turn: false,
        seconds: TRIGGER + seconds + 40.0,
        ..Experiment::s1(1.0, seed)
    }
}

fn end_of_stall(experiment: &Experiment) -> f64 {
    experiment.changes[1].0
}

const STALL: [Figure; 5] = [
    most("recovery s", |report, experiment| report.recovery(end_of_stall(experiment))),
    most("calls", |report, experiment| report.calls_per_request(0.0, experiment.seconds - 6.0)),
    most("in the stall", |report, experiment| report.calls_per_request(TRIGGER, end_of_stall(experiment))),
    least("before", |report, _| report.success(None, 0.0, TRIGGER - 1.0)),
    least("last 20 s", |report, experiment| report.success(None, experiment.seconds - 26.0, experiment.seconds - 6.0)),
];

/// S3 and its relatives.
pub fn stalls() -> Vec<Trial> {
    let one = |name: String, load, seconds, clients| {
        Trial::new(name, move |seed| stall(load, seconds, clients, seed), &STALL)
    };
    let mut all = vec![one("S3".into(), 0.7, 10.0, 1)];
    all.extend([0.25, 0.5, 0.93, 0.98].map(|load| one(format!("S3 load {load}"), load, 10.0, 1)));
    all.extend([0.1, 0.3, 1.0, 3.0, 30.0].map(|seconds| one(format!("S3 stall of {seconds} s"), 0.7, seconds, 1)));
    for (name, distribution) in [
        ("lognormal", Distribution::Lognormal { sigma: 0.6 }),
        ("exponential", Distribution::Exponential),
        ("heavy tail", Distribution::Heavy { exponent: 2.2 }),
    ] {
        for load in [0.7, 0.93] {
            let make = move |seed| stall(load, 10.0, 1, seed).with(distribution, 5.0);
            all.push(Trial::new(format!("S3 {name} {load}"), make, &STALL));
        }
    }
    all.extend([5, 20, 100].map(|clients| one(format!("S3, {clients} clients"), 0.7, 10.0, clients)));
    all
}

/// When the trouble of a wave or a weak server is over.
fn end_of_wave(experiment: &Experiment) -> f64 {
    experiment.load.last().map_or(TRIGGER, |(from, _)| *from)
}

const WAVE: [Figure; 4] = [
    most("recovery s", |report, experiment| report.recovery(end_of_wave(experiment))),
    most("calls", |report, experiment| report.calls_per_request(0.0, experiment.seconds - 6.0)),
    least("before", |report, _| report.success(None, 0.0, TRIGGER - 1.0)),
    least("last 20 s", |report, experiment| report.success(None, experiment.seconds - 26.0, experiment.seconds - 6.0)),
];

/// So many requests come at once, in a fifth of a second: as after a pause of whoever sends them.
pub fn waves() -> Vec<Trial> {
    const WIDTH: f64 = 0.2;
    let each = [0.7, 0.93].into_iter().flat_map(|load| [100.0, 300.0, 600.0, 1_500.0].map(|size| (load, size)));
    each.map(|(load, size)| {
        let make = move |seed| {
            let usual = 300.0 * load;
            let load = vec![(0.0, usual), (TRIGGER, usual + size / WIDTH), (TRIGGER + WIDTH, usual)];
            Experiment { load, changes: Vec::new(), ..stall(0.7, 10.0, 1, seed) }
        };
        Trial::new(format!("S3 wave of {size}, load {load}"), make, &WAVE)
    })
    .collect()
}

/// For 20 seconds the server has so many times less to give.
pub fn weaknesses() -> Vec<Trial> {
    const LENGTH: f64 = 20.0;
    const FIGURES: [Figure; 4] = [
        least("of what is left", |report, experiment| {
            let Change::Slower(times) = experiment.changes[0].1 else { return f64::NAN };
            report.goodput(TRIGGER, TRIGGER + LENGTH) * times
        }),
        most("recovery s", |report, experiment| report.recovery(end_of_stall(experiment))),
        least("before", |report, _| report.success(None, 0.0, TRIGGER - 1.0)),
        least("last 15 s", |report, experiment| {
            report.success(None, experiment.seconds - 21.0, experiment.seconds - 6.0)
        }),
    ];
    let one = |times: f64| {
        let make = move |seed| {
            let changes = [(TRIGGER, times), (TRIGGER + LENGTH, 1.0)];
            let changes = changes.map(|(at, times)| (at, Change::Slower(times))).to_vec();
            Experiment { changes, ..stall(0.7, LENGTH, 1, seed) }
        };
        Trial::new(format!("S3 {times} times slower"), make, &FIGURES)
    };
    [1.5, 2.0, 3.0, 5.0, 10.0].map(one).into()
}

/// A thousand requests a second that find a server which is quick, and of which that share fails from then on.
fn failing(share: f64, from: f64, clients: usize, seed: u64) -> Experiment {
    let machine = Machine { workers: 1000, mean: 0.01, ..stall(0.7, 10.0, 1, seed).machine };
    Experiment {
        machine,
        load: vec![(0.0, 1000.0)],
        changes: vec![(from, Change::Fail(share))],
        seconds: from + 46.0,
        ..stall(0.7, 10.0, clients, seed)
    }
}

/// Where calls fail from the beginning. The first 20 seconds are not looked at.
const CHANCE: [Figure; 2] = [
    most("calls", |report, _| report.calls_per_request(20.0, 40.0)),
    least("ok", |report, _| report.success(None, 20.0, 40.0)),
];

/// Where they fail after 20 good seconds, in which every budget has filled.
const STEP: [Figure; 3] = [
    most("calls, 10 s", |report, _| report.calls_per_request(TRIGGER, TRIGGER + 10.0)),
    most("calls, 40 s", |report, _| report.calls_per_request(TRIGGER, TRIGGER + 40.0)),
    least("ok", |report, _| report.success(None, TRIGGER, TRIGGER + 40.0)),
];

const CLIENTS: [usize; 4] = [1, 10, 100, 1000];

/// S6: so many clients, and each call fails with that chance.
pub fn chances() -> Vec<Trial> {
    let each = CLIENTS.into_iter().flat_map(|clients| [1.0, 10.0, 30.0, 50.0, 100.0].map(|percent| (clients, percent)));
    each.map(|(clients, percent)| {
        let make = move |seed| failing(percent / 100.0, 0.0, clients, seed);
        Trial::new(format!("S6 {percent} %, {clients} clients"), make, &CHANCE)
    })
    .collect()
}

/// S6-step: the same after 20 good seconds.
pub fn steps() -> Vec<Trial> {
    let each = CLIENTS.into_iter().flat_map(|clients| [50.0, 100.0].map(|percent| (clients, percent)));
    each.map(|(clients, percent)| {
        let make = move |seed| failing(percent / 100.0, TRIGGER, clients, seed);
        Trial::new(format!("S6-step {percent} %, {clients} clients"), make, &STEP)
    })
    .collect()
}

/// Every call fails for a tenth of a second.
pub fn blips() -> Vec<Trial> {
    const FIGURES: [Figure; 2] = [
        most("lost of 101", |report, _| {
            let (all, lost) = report.lost(TRIGGER, TRIGGER + 0.1);
            101.0 * lost / all
        }),
        least("after", |report, _| report.success(None, TRIGGER + 0.1, TRIGGER + 2.0)),
    ];
    let make = |clients, in_turn| {
        move |seed| {
            let mut experiment = failing(1.0, TRIGGER, clients, seed);
            experiment.changes.push((TRIGGER + 0.1, Change::Fail(0.0)));
            Experiment { seconds: TRIGGER + 10.0, in_turn, ..experiment }
        }
    };
    let each = CLIENTS[..3].iter().flat_map(|clients| [(*clients, true), (*clients, false)]);
    each.map(|(clients, in_turn)| {
        let how = if in_turn { "in turn" } else { "at random" };
        Trial::new(format!("blip, {clients} {how}"), make(clients, in_turn), &FIGURES)
    })
    .collect()
}

/// S6b: five services in a row, and the last of them fails with that chance.
pub fn layers() -> Vec<Trial> {
    let each = [1.0, 10.0, 30.0, 50.0, 100.0].into_iter();
    each.flat_map(|percent| {
        let from = |from| move |seed| failing(percent / 100.0, from, 1, seed);
        [
            Trial::new(format!("S6b {percent} %"), from(0.0), &CHANCE),
            Trial::new(format!("S6b-step {percent} %"), from(TRIGGER), &STEP),
        ]
    })
    .collect()
}
