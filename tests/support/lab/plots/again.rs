//! Calls that are sent again.

use super::{
    super::{
        Experiment, Report, Way,
        attempts::{self, Trial},
        contention, stampede,
    },
    Drawn, Effort, Plot,
    axis::Axis,
    panels::{Panel, Panels, Pieces},
    table,
};

pub(super) const PLOTS: [Plot; 2] = [
    Plot {
        name: "S3",
        title: "A server that answers nothing for ten seconds",
        says: "Four attempts of each call keep the server down for ever, and tower's budget for half a minute; behind a \
               breaker all is well again half a second after the stall, and hardly a call is sent in it.",
        picture: Some("stall"),
        draw: stall,
    },
    Plot {
        name: "S3c",
        title: "A cache is emptied in front of a database",
        says: "Eight times what the database can do keeps it from filling the cache again, for ever; with LoadShed in \
               front of it, as much is asked as it can do, and the cache fills in seconds.",
        picture: None,
        draw: flush,
    },
];

pub(super) const LATER: [Plot; 3] = [
    Plot {
        name: "S5",
        title: "Clients that all change one row",
        says: "Full jitter, which is the default, is done with hardly more calls than any other, and sooner than what needs as \
               few; to come again at once is quicker, and takes up to five times the calls. (The mean of fifty runs.)",
        picture: None,
        draw: one_row,
    },
    Plot {
        name: "S6",
        title: "A hundred clients, and a share of the calls fails",
        says: "A retry that pays from its own successes adds at most a tenth to the calls, whatever fails, where tower's budget \
               more than doubles them and no budget makes four of each; the price is paid where calls fail by chance: of those \
               of which half do, it mends hardly any, and the others nearly all.",
        picture: None,
        draw: |plot, effort| failures(plot, effort, &CLIENTS),
    },
    Plot {
        name: "S6b",
        title: "Five services in a row, all of which send again",
        says: "Where all calls fail, four attempts at each of five services make nearly ninety calls of one before its caller \
               leaves; with a budget, and marks on what is sent and on what is given up, there are 1.1 at most, and again \
               hardly any is mended where half of the calls fail by chance.",
        picture: None,
        draw: |plot, effort| failures(plot, effort, &LAYERS),
    },
];

type Ways = &'static [(&'static str, Way)];

const STALL_WAYS: Ways = &[
    ("Retry, CircuitBreaker", Way::Breaker),
    ("four attempts", Way::Always),
    ("tower's retry and budget", Way::Tower),
    ("Retry alone", Way::Budget),
];

const FLUSH_WAYS: Ways = &[
    ("Retry, CircuitBreaker, LoadShed", Way::Limit),
    ("four attempts", Way::Always),
    ("tower's retry and budget", Way::Tower),
    ("Retry, CircuitBreaker", Way::Breaker),
];

fn names(ways: Ways) -> Vec<&'static str> {
    ways.iter().map(|(name, _)| *name).collect()
}

fn share() -> Axis {
    Axis::even(&[0.0, 0.25, 0.5, 0.75, 1.0], "")
}

fn stall(plot: &Plot, effort: &Effort) -> Drawn {
    let trouble = (20.0, 30.0, "the server answers nothing");
    over_time(plot, effort, attempts::stalls(), STALL_WAYS, (10.0, 60.0, vec![trouble]))
}

fn flush(plot: &Plot, effort: &Effort) -> Drawn {
    let trouble = (10.0, 10.15, "the cache is emptied");
    over_time(plot, effort, stampede::stampedes(), FLUSH_WAYS, (5.0, 40.0, vec![trouble]))
}

type Shown = (f64, f64, Vec<(f64, f64, &'static str)>);

/// The first of these trials.
fn over_time(plot: &Plot, effort: &Effort, trials: Vec<Trial>, ways: Ways, (from, to, shaded): Shown) -> Drawn {
    let trial = trials.into_iter().next().expect("there is a trial").within(effort.longest());
    let runs: Vec<_> = ways.iter().map(|(_, way)| trial.runs(*way, effort.seeds.clone())).collect();
    let pieces = Pieces { from, to, each: 0.5 };
    let of = |read: fn(&Report, &Experiment, f64, f64) -> f64| {
        let of = |(report, experiment): &_, from, to| read(report, experiment, from, to);
        runs.iter().map(|runs| pieces.mean(runs, of)).collect()
    };
    let panels = vec![
        Panel {
            title: "Requests answered well, as a share of those that come",
            up: share(),
            values: of(|report, _, from, to| report.success(None, from, to)),
        },
        Panel {
            title: "Calls at the server, as a multiple of what it can do; at the bottom a hundredth and less",
            up: Axis::log(&[0.01, 0.1, 1.0, 10.0], " x"),
            values: of(|report, experiment, from, to| report.calls(from, to) / (to - from) / experiment.capacity()),
        },
    ];
    let (across, points) = (Axis::seconds(from, to, 5), pieces.middles());
    let svg = Panels { ways: names(ways), across, points, shaded, panels }.svg(plot);
    let figures = ways.iter().zip(&runs).map(|((name, _), runs)| (*name, trial.worst_of(runs)));
    Drawn { svg, table: table(figures) }
}

fn one_row(plot: &Plot, effort: &Effort) -> Drawn {
    let clients = effort.of(&[20, 50, 100, 200][..], &[20, 50]);
    let backoffs = contention::backoffs();
    let means: Vec<Vec<_>> = backoffs
        .iter()
        .map(|(_, backoff)| clients.iter().map(|clients| contention::mean(*clients, backoff.as_ref())).collect())
        .collect();
    let of =
        |read: fn(&contention::Contention) -> f64| means.iter().map(|means| means.iter().map(read).collect()).collect();
    let panels = vec![
        Panel {
            title: "Changes that are sent until all are made; by clients",
            up: Axis::log(&[50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0], ""),
            values: of(|mean| mean.calls as f64),
        },
        Panel {
            title: "Seconds until the last one is done",
            up: Axis::log(&[0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0], " s"),
            values: of(|mean| mean.seconds),
        },
    ];
    let points: Vec<_> = clients.iter().map(|clients| *clients as f64).collect();
    let ways = backoffs.iter().map(|(name, _)| if *name == "none" { "no wait" } else { name }).collect();
    Panels { ways, across: Axis::log(&points, ""), points, shaded: Vec::new(), panels }.draw(plot)
}

/// Those in which a share of the calls fails.
struct Failures {
    trials: fn() -> Vec<Trial>,
    /// Which of them.
    is_shown: fn(&str) -> bool,
    ways: Ways,
    /// What calls are measured by.
    marks: &'static [f64],
}

const CLIENTS: Failures = Failures {
    trials: attempts::chances,
    is_shown: |name| name.ends_with(" 100 clients"),
    ways: &[("Retry", Way::Budget), ("four attempts", Way::Always), ("tower's retry and budget", Way::Tower)],
    marks: &[1.0, 1.5, 2.0, 3.0, 4.0],
};

const LAYERS: Failures = Failures {
    trials: attempts::layers,
    is_shown: |name| name.starts_with("S6b "),
    ways: &[
        ("Retry, marks on requests and answers", Way::Layers),
        ("four attempts", Way::LayersAlways),
        ("Retry without marks", Way::LayersUnmarked),
        ("marks on requests only", Way::LayersPlain),
    ],
    marks: &[1.0, 10.0, 100.0],
};

fn failures(plot: &Plot, effort: &Effort, of: &Failures) -> Drawn {
    let points = vec![1.0, 10.0, 30.0, 50.0, 100.0];
    let trials = (of.trials)().into_iter().filter(|trial| (of.is_shown)(&trial.name));
    let trials: Vec<_> = trials.map(|trial| trial.within(effort.longest())).collect();
    assert_eq!(trials.len(), points.len());
    let each = |way: &Way| trials.iter().map(|trial| trial.worst(*way, effort.seeds.clone())).collect::<Vec<_>>();
    let figures: Vec<_> = of.ways.iter().map(|(_, way)| each(way)).collect();
    let values =
        |index: usize| figures.iter().map(|trials| trials.iter().map(|trial| trial[index].1).collect()).collect();
    let panels = vec![
        Panel {
            title: "Calls at the server for each request; by the share of calls that fails",
            up: Axis::log(of.marks, ""),
            values: values(0),
        },
        Panel { title: "Requests answered well, as a share of those that come", up: share(), values: values(1) },
    ];
    let across = Axis::log(&points, " %");
    Panels { ways: names(of.ways), across, points, shaded: Vec::new(), panels }.draw(plot)
}
