//! How long the slowest fan-outs took, of both clients.

use std::time::Duration;

use crate::{chart, load::Log};

/// From half of the fan-outs to one in a thousand, and from 5 ms to 5 s; both by their logarithms.
const RAREST: f64 = 0.001;
const SHORTEST: f64 = 0.005;
const LONGEST: f64 = 5.0;

pub(crate) fn plot(logs: [&Log; 2]) -> String {
    let across = [(0.5, "half"), (0.1, "1 of 10"), (0.01, "1 of 100"), (0.001, "1 of 1,000")];
    let up = [5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000].map(Duration::from_millis);
    let chart = chart::Chart {
        title: format!("Of {} fan-outs to twenty leaves, so many take longer than that", logs[0].asked),
        across: across.map(|(share, name)| (rare(share), name.to_string())).to_vec(),
        up: up.map(|time| (long(time), format!("{time:?}"))).to_vec(),
        shaded: Vec::new(),
        lines: logs
            .map(|log| {
                let shares = (0..=100).map(|step| 0.5 * f64::powf(RAREST / 0.5, f64::from(step) / 100.0));
                shares.map(|share| (rare(share), long(log.quantile(1.0 - share)))).collect()
            })
            .into(),
    };
    let about = chart::About {
        title: "How long the slowest fan-outs take",
        description: "What time so many of the fan-outs take longer than, without and with a hedge.",
    };
    chart::page(&about, &["without", "with a hedge"], &[chart])
}

fn rare(share: f64) -> f64 {
    (share / 0.5).ln() / (RAREST / 0.5).ln()
}

fn long(time: Duration) -> f64 {
    let way = (time.as_secs_f64().max(SHORTEST) / SHORTEST).ln() / (LONGEST / SHORTEST).ln();
    way.min(1.0)
}
