//! Does it contain on real threads, too? Overloads lived through in real time, by a server behind load shedding to which
//! nothing was said.
//!
//! House rules say that no test waits for the wall clock, and this one does. `efficacy/` shows in virtual time what the
//! decisions are worth, and loom that small histories of the atomics are sound. Neither has calls that come and end on
//! several threads at the same time, by the hundred, with timers that are late: that cannot be had without time going by.
//! So all scenarios run at the same time and with few calls, a figure leaves room for a machine that is busy with something
//! else, and what fails is run once more by itself. Without protection it fails by far, which is tested as well.
#![allow(missing_docs, unreachable_pub, dead_code)] // the laboratory is shared with the peers' bench
#![cfg(not(feature = "test-util"))]

#[path = "support/live/mod.rs"]
mod live;

use std::{ops::Range, time::Duration};

use cofferdam::{AdaptiveLimit, Instant, LoadShed, Policy};
use live::{Callers, Distribution, Log, Server};
use tokio::{task::JoinSet, time::sleep};
use tower::Layer;

const WORKERS: usize = 8;
/// Of a call, in seconds.
const MEAN: f64 = 0.04;
/// Calls a second that can be done.
const CAPACITY: f64 = WORKERS as f64 / MEAN;

/// What happens to the server.
#[derive(Clone, Copy)]
enum Change {
    Fail(bool),
    Hang(bool),
    SlowDown(u32),
}

/// What must be reached at least: a figure of that name, in calls that were due within that time.
#[derive(Clone, Copy)]
enum Least {
    /// Of what can be done.
    Goodput(Span, f64),
    /// Of what came.
    Success(Span, f64),
    /// Of what came and matters most.
    Critical(Span, f64),
}

/// From and until, in seconds.
type Span = (f64, f64);

#[derive(Clone)]
struct Scenario {
    name: &'static str,
    callers: Callers,
    changes: Vec<(f64, Change)>,
    least: Vec<Least>,
}

/// That many times what can be done, from when on, and for how long in all.
fn callers(load: &[(f64, f64)], seconds: f64) -> Callers {
    Callers {
        load: load.iter().map(|(from, times)| (*from, times * CAPACITY)).collect(),
        seconds,
        mean: MEAN,
        distribution: Distribution::Lognormal { sigma: 0.4 },
        patience: 5.0 * MEAN,
        flighty: false,
        seed: 7,
    }
}

fn steady() -> Scenario {
    Scenario {
        name: "steady, twice the capacity",
        callers: callers(&[(0.0, 2.0)], 5.0),
        changes: Vec::new(),
        least: vec![Least::Goodput((1.5, 4.5), 0.9), Least::Critical((1.5, 4.5), 0.95)],
    }
}

fn step() -> Scenario {
    Scenario {
        name: "step to three times",
        callers: callers(&[(0.0, 0.7), (1.5, 3.0), (4.5, 0.7)], 6.0),
        changes: Vec::new(),
        least: vec![
            Least::Success((0.5, 1.4), 0.9),
            Least::Goodput((2.0, 4.3), 0.9),
            Least::Critical((2.0, 4.3), 0.9),
            Least::Success((5.0, 6.0), 0.9),
        ],
    }
}

fn fast_errors() -> Scenario {
    Scenario {
        name: "fast errors",
        callers: callers(&[(0.0, 0.8)], 5.5),
        changes: vec![(1.5, Change::Fail(true)), (3.0, Change::Fail(false))],
        least: vec![Least::Success((0.5, 1.4), 0.9), Least::Success((3.5, 5.5), 0.9)],
    }
}

fn hang() -> Scenario {
    Scenario {
        name: "hang and restart",
        callers: callers(&[(0.0, 0.8)], 6.0),
        changes: vec![(1.5, Change::Hang(true)), (3.0, Change::Hang(false))],
        least: vec![Least::Success((0.5, 1.2), 0.9), Least::Success((4.0, 6.0), 0.9)],
    }
}

fn slower() -> Scenario {
    Scenario {
        name: "four times slower",
        callers: Callers { patience: 25.0 * MEAN, ..callers(&[(0.0, 0.7)], 6.0) },
        changes: vec![(1.5, Change::SlowDown(4))],
        least: vec![Least::Success((0.5, 1.4), 0.9), Least::Success((4.0, 6.0), 0.9)],
    }
}

/// Whoever calls leaves at any moment, before, while and after being let in.
fn cancel_storm() -> Scenario {
    Scenario {
        name: "cancel storm",
        callers: Callers { flighty: true, ..callers(&[(0.0, 4.0)], 3.0) },
        changes: Vec::new(),
        least: Vec::new(),
    }
}

impl Scenario {
    /// Runs it, and says what was wrong.
    async fn protected(self) -> Result<(), (String, Self)> {
        let limit = AdaptiveLimit::builder("server").deadline().build().unwrap();
        let shed: LoadShed = LoadShed::builder(limit).build().unwrap();
        let server = Server::new(WORKERS);
        let service = shed.clone().layer().layer(server.clone());
        let log = self.run(server, service.clone()).await;

        let mut wrong = self.wrong(&log);
        // Nobody is there any more, whatever became of them.
        let left = (shed.limit().in_flight(), shed.waiting());
        if left != (0, 0) {
            wrong.push(format!("{left:?} in flight and waiting, when all is over"));
        }
        // And some calls, none of which can be in anybody's way, are all let in.
        let few = Callers { patience: self.callers.patience, ..callers(&[(0.0, 0.3)], 0.5) };
        let after = few.call(service).await.success(None, 0.0..0.5);
        if after < 0.9 {
            wrong.push(format!("success is {after:.3} when all is over"));
        }
        if wrong.is_empty() { Ok(()) } else { Err((format!("{}: {}", self.name, wrong.join("; ")), self)) }
    }

    async fn run<S>(&self, server: Server, service: S) -> Log
    where
        S: tower::Service<live::Ask, Response = (), Future: Send> + Clone + Send + Sync + 'static,
        S::Error: Into<cofferdam::BoxError>,
    {
        let (start, changes) = (Instant::now(), self.changes.clone());
        let changing = async move {
            for (at, change) in changes {
                sleep(start.after(Duration::from_secs_f64(at)).since(Instant::now())).await;
                match change {
                    Change::Fail(failing) => server.fail(failing),
                    Change::Hang(hung) => server.hang(hung),
                    Change::SlowDown(factor) => server.slow_down(factor),
                }
            }
        };
        tokio::join!(self.callers.call(service), changing).0
    }

    fn wrong(&self, log: &Log) -> Vec<String> {
        self.least.iter().filter_map(|least| least.missed(log)).collect()
    }
}

impl Least {
    fn missed(self, log: &Log) -> Option<String> {
        let within = |(from, until): Span| -> Range<f64> { from..until };
        let (what, value, time, least) = match self {
            Self::Goodput(time, least) => ("goodput", log.goodput(within(time)) / CAPACITY, time, least),
            Self::Success(time, least) => ("success", log.success(None, within(time)), time, least),
            Self::Critical(time, least) => {
                ("success of what matters most", log.success(Some(0), within(time)), time, least)
            }
        };
        println!("{what} {time:?}: {value:.3}, wanted {least}");
        (value < least).then(|| format!("{what} in {time:?} is {value:.3}, and must be {least}"))
    }
}

/// Runs them all at the same time, and gives back those that failed, and why.
async fn failed(scenarios: Vec<Scenario>) -> (Vec<String>, Vec<Scenario>) {
    let runs: JoinSet<_> = scenarios.into_iter().map(Scenario::protected).collect();
    runs.join_all().await.into_iter().filter_map(Result::err).unzip()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overloads_are_contained_on_threads() {
    let all = vec![steady(), step(), fast_errors(), hang(), slower(), cancel_storm()];
    let (first, again) = failed(all).await;
    let (second, _) = failed(again).await;
    assert!(second.is_empty(), "twice in a row: {first:#?}, then {second:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_protection_they_are_not() {
    let (scenario, server) = (steady(), Server::new(WORKERS));
    let log = scenario.run(server.clone(), server).await;
    assert_eq!(scenario.wrong(&log).len(), scenario.least.len());
    // All that is done is done too late, for whoever it was.
    let (goodput, critical) = (log.goodput(1.5..4.5) / CAPACITY, log.success(Some(0), 1.5..4.5));
    assert!(goodput < 0.3 && critical < 0.3, "{goodput:.3} of what can be done, {critical:.3} of what matters most");
}
