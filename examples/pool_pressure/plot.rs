//! Good answers over time, of both front ends and for both dependencies.

use std::time::Duration;

use crate::{
    RATE, chart,
    load::{Log, Timeline},
};

const BUCKET: f64 = 0.5;

pub(crate) fn plot(logs: [&Log; 2], timeline: &Timeline) -> String {
    let (seconds, most) = (timeline.end.as_secs_f64(), RATE * 0.8);
    let across = (0..=timeline.end.as_secs()).step_by(5).map(|second| (second as f64 / seconds, format!("{second} s")));
    let across: chart::Marks = across.collect();
    let place = |at: Duration| at.as_secs_f64() / seconds;
    let [hang, slow] = &timeline.troubles;
    let shaded =
        [(hang, "the other one hangs"), (slow, "it is slow")].map(|(it, what)| (place(it.from), place(it.to), what));
    let charts =
        ["the stacks as they are", "the same, and shares of a pool"].into_iter().zip(logs).map(|(name, log)| {
            let point =
                |(bucket, count): (usize, f64)| ((bucket as f64 + 0.5) * BUCKET / seconds, (count / most).min(1.0));
            chart::Chart {
                title: format!("{name}: a second, where {:.0} of each come", RATE / 2.0),
                across: across.clone(),
                up: [0.0, RATE / 2.0].map(|value| (value / most, format!("{value:.0}"))).to_vec(),
                shaded: shaded.to_vec(),
                lines: [false, true]
                    .map(|to_b| well(log, to_b, timeline).into_iter().enumerate().map(point).collect())
                    .into(),
            }
        });
    let about = chart::About {
        title: "A sick dependency in a shared pool",
        description: "Requests answered well, for the healthy dependency and for the other one, without and with shares of a pool.",
    };
    chart::page(&about, &["the healthy one's requests answered well", "the other one's"], &charts.collect::<Vec<_>>())
}

/// How many a second were answered well, in each bucket.
fn well(log: &Log, to_b: bool, timeline: &Timeline) -> Vec<f64> {
    let mut counts = vec![0.0; (timeline.end.as_secs_f64() / BUCKET) as usize];
    for sent in log.sent.iter().filter(|sent| sent.good && sent.to_b == to_b) {
        if let Some(count) = counts.get_mut((sent.due.as_secs_f64() / BUCKET) as usize) {
            *count += 1.0 / BUCKET;
        }
    }
    counts
}
