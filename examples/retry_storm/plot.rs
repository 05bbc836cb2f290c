//! Good answers and calls over time, of both clients.

use std::time::Duration;

use crate::{
    CAPACITY, chart,
    load::{Log, Phases},
};

const BUCKET: f64 = 0.5;

pub(crate) fn plot(logs: [&Log; 2], phases: &Phases) -> String {
    let counts = logs.map(|log| counts(log, phases));
    let most = counts.iter().flatten().flatten().copied().fold(CAPACITY, f64::max);
    let seconds = phases.end.as_secs_f64();
    let step = if seconds > 20.0 { 5 } else { 2 };
    let across =
        (0..=phases.end.as_secs()).step_by(step).map(|second| (second as f64 / seconds, format!("{second} s")));
    let across: chart::Marks = across.collect();
    let up = [0.0, CAPACITY, most].map(|value| (value / most, format!("{value:.0}")));
    let charts = ["a loop of four attempts", "the stack for clients"].into_iter().zip(counts).map(|(name, counts)| {
        let place = |(bucket, count): (usize, f64)| ((bucket as f64 + 0.5) * BUCKET / seconds, count / most);
        chart::Chart {
            title: format!("{name}: a second, where {CAPACITY:.0} can be done"),
            across: across.clone(),
            up: up.to_vec(),
            shaded: vec![(
                phases.stall.as_secs_f64() / seconds,
                phases.healed.as_secs_f64() / seconds,
                "the server stalls",
            )],
            lines: counts.map(|line| line.into_iter().enumerate().map(place).collect()).into(),
        }
    });
    let about = chart::About {
        title: "A retry storm, and none",
        description: "Requests answered well and calls at the server, of a loop of four attempts and of the stack for clients.",
    };
    chart::page(&about, &["requests answered well", "calls that came to the server"], &charts.collect::<Vec<_>>())
}

/// How many a second, in each bucket: good answers, and calls that came to the server.
fn counts(log: &Log, phases: &Phases) -> [Vec<f64>; 2] {
    let count = |moments: &mut dyn Iterator<Item = Duration>| {
        let mut counts = vec![0.0; (phases.end.as_secs_f64() / BUCKET) as usize];
        for moment in moments {
            if let Some(count) = counts.get_mut((moment.as_secs_f64() / BUCKET) as usize) {
                *count += 1.0 / BUCKET;
            }
        }
        counts
    };
    let good = count(&mut log.sent.iter().filter(|(_, good)| *good).map(|(due, _)| *due));
    [good, count(&mut log.calls.iter().copied())]
}
