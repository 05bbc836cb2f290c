//! Calls that straggle.

use std::time::Duration;

use cofferdam::Hedge;

use super::{
    super::fanout::{self, Hedging, Phase},
    Drawn, Effort, Plot,
    axis::Axis,
    panels::{Panel, Panels},
};

pub(super) const PLOTS: [Plot; 2] = [
    Plot {
        name: "S2",
        title: "How long the slowest of a hundred answers takes",
        says: "Nothing is said to Hedge, and the slowest of a thousand fan-outs takes less than a fiftieth of the time, for 2 % \
               more calls; tower's hedge takes as many, and leaves a longer tail.",
        picture: Some("fan_out"),
        draw: tails,
    },
    Plot {
        name: "S2b",
        title: "A server becomes half as slow again under calls that are hedged",
        says: "Hedges that know only how long calls take send half of them and more again once all are slow, and the line of the \
               server grows by that; Hedge sends as few then as it always does.",
        picture: None,
        draw: slow_server,
    },
];

/// A way to send calls again that is made anew for each run, as a hedge learns.
type Named = (&'static str, fn() -> Hedging);

const WAYS: [Named; 4] = [
    ("Hedge, nothing set", || Hedging::Ours(Hedge::builder("leaves").build().expect("the defaults are valid"))),
    ("nothing", || Hedging::Never),
    ("tower's hedge, p98", || Hedging::Tower(0.98)),
    ("after 10 ms", || Hedging::After(10)),
];

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn times() -> Axis {
    let milliseconds = [(10.0, "10 ms"), (20.0, "20 ms"), (50.0, "50 ms"), (100.0, "100 ms"), (200.0, "200 ms")];
    let seconds = [(500.0, "0.5 s"), (1_000.0, "1 s"), (2_000.0, "2 s"), (5_000.0, "5 s")];
    Axis::named(&[&milliseconds[..], &seconds].concat())
}

fn tails(plot: &Plot, effort: &Effort) -> Drawn {
    let marks = [(0.5, "half"), (0.1, "1 of 10"), (0.01, "1 of 100"), (0.001, "1 of 1,000")];
    let steps = (0..=90).map(|step| 0.5 * f64::powf(0.002, f64::from(step) / 90.0));
    let mut points: Vec<_> = steps.chain(marks.map(|(share, _)| share)).collect();
    points.sort_unstable_by(|one, other| other.total_cmp(one));
    let runs = |way: fn() -> Hedging| {
        let fan_outs = effort.of(20_000, 50);
        effort.seeds.clone().map(move |seed| fanout::s2(way(), 100, fan_outs, seed)).collect::<Vec<_>>()
    };
    let line = |(_, way): &Named| {
        let mut runs = runs(*way);
        runs.iter_mut().for_each(|run| run.times.sort_unstable());
        let longest = |share: &f64| {
            let of_each = runs.iter_mut().map(|run| milliseconds(fanout::quantile(&mut run.times, 1.0 - share)));
            of_each.fold(0.0, f64::max)
        };
        let values: Vec<_> = points.iter().map(longest).collect();
        (values, runs.iter().map(|run| run.load).fold(0.0, f64::max))
    };
    let (values, calls): (Vec<_>, Vec<_>) = WAYS.iter().map(line).unzip();
    let panels = vec![Panel { title: "So many of 20,000 fan-outs take longer than that", up: times(), values }];
    let ways = WAYS.map(|(name, _)| name).to_vec();
    let mut drawn = Panels { ways, across: Axis::named(&marks), points, shaded: Vec::new(), panels }.draw(plot);
    drawn.table.head.push("calls at leaves, for each that is needed".into());
    drawn.table.rows.iter_mut().zip(calls).for_each(|(row, calls)| row.push(super::shown(calls)));
    drawn
}

fn slow_server(plot: &Plot, effort: &Effort) -> Drawn {
    let points = effort.of(vec![0.25, 0.4, 0.6, 0.75, 0.9, 0.98], vec![0.01, 0.02]);
    let runs = |(_, way): &Named| {
        let at = |load: &f64| effort.seeds.clone().map(|seed| fanout::s2b(way(), *load, 1.5, seed)).collect();
        points.iter().map(at).collect::<Vec<Vec<_>>>()
    };
    let runs: Vec<_> = WAYS.iter().map(runs).collect();
    let worst = |phase: usize, read: fn(&Phase) -> f64, worse: fn(f64, f64) -> f64| {
        let at = |runs: &Vec<[Phase; 3]>| runs.iter().map(|phases| read(&phases[phase])).reduce(worse);
        runs.iter().map(|points| points.iter().map(|runs| at(runs).unwrap_or(f64::NAN)).collect()).collect()
    };
    let p999 = |phase: &Phase| milliseconds(fanout::quantile(&mut phase.times.clone(), 0.999));
    let panels = vec![
        Panel {
            title: "Answered within a second while it is slow; by the load before",
            up: Axis::even(&[0.0, 0.25, 0.5, 0.75, 1.0], ""),
            values: worst(1, |phase| phase.ok, f64::min),
        },
        Panel {
            title: "Calls at the server while it is slow, for each that is needed",
            up: Axis::even(&[1.0, 1.25, 1.5, 1.75, 2.0], ""),
            values: worst(1, |phase| phase.load, f64::max),
        },
        Panel { title: "The 99.9th percentile before", up: times(), values: worst(0, p999, f64::max) },
    ];
    let ways = WAYS.map(|(name, _)| name).to_vec();
    Panels { ways, across: Axis::even(&points, ""), points, shaded: Vec::new(), panels }.draw(plot)
}
