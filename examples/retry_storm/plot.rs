//! Good answers and calls over time, of both clients.

use std::{fmt::Write, time::Duration};

use crate::{
    CAPACITY,
    load::{Log, Phases},
};

const BUCKET: f64 = 0.5;
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 56.0;
const ROW: f64 = HEIGHT + 70.0;

/// Good answers, and calls that came to the server. They differ in dashes as well as in colour.
const LINES: [(&str, &str); 2] = [
    ("requests answered well", "stroke=\"#0060a8\""),
    ("calls that came to the server", "stroke=\"#c04a00\" stroke-dasharray=\"6 3\""),
];

pub(crate) fn plot(logs: [&Log; 2], phases: &Phases) -> String {
    let (width, height) = (LEFT + WIDTH + 20.0, TOP + 2.0 * ROW);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, (label, style)) in LINES.into_iter().enumerate() {
        let x = LEFT + 260.0 * index as f64;
        let _ = writeln!(
            svg,
            "<path d=\"M{x} 14h26\" stroke-width=\"2\" {style}/><text x=\"{}\" y=\"18\">{label}</text>",
            x + 34.0
        );
    }
    let lines = logs.map(|log| lines(log, phases));
    let most = lines.iter().flatten().flatten().copied().fold(CAPACITY, f64::max);
    for (row, (name, lines)) in
        ["a loop of four attempts", "retry, breaker and timeout"].into_iter().zip(&lines).enumerate()
    {
        let top = TOP + ROW * row as f64;
        let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" font-size=\"16\">{name}: a second</text>", top - 10.0);
        chart(&mut svg, lines, most, top, phases);
    }
    svg + "</svg>\n"
}

/// How many a second, in each bucket.
fn lines(log: &Log, phases: &Phases) -> [Vec<f64>; 2] {
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

fn chart(svg: &mut String, lines: &[Vec<f64>; 2], most: f64, top: f64, phases: &Phases) {
    let (x, bottom) = (|seconds: f64| LEFT + WIDTH * seconds / phases.end.as_secs_f64(), top + HEIGHT);
    let y = |value: f64| bottom - HEIGHT * value / most;
    let (from, to) = (x(phases.stall.as_secs_f64()), x(phases.healed.as_secs_f64()));
    let _ = writeln!(
        svg,
        "<rect x=\"{from:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{HEIGHT}\" fill=\"#f3e9dc\"/>\
         <text x=\"{:.1}\" y=\"{}\">the server stalls</text>",
        to - from,
        from + 6.0,
        top + 16.0
    );
    for (value, name) in [(0.0, "0"), (CAPACITY, "can be done"), (most, "")] {
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {0:.1}h{WIDTH}\" stroke=\"#0003\"/><text x=\"{1}\" y=\"{2:.1}\">{value:.0}</text>\
             <text x=\"{3}\" y=\"{4:.1}\" fill=\"#777\">{5}</text>",
            y(value),
            LEFT - 36.0,
            y(value) + 4.0,
            LEFT + WIDTH - 80.0,
            y(value) - 4.0,
            if name == "0" { "" } else { name }
        );
    }
    for (values, (_, style)) in lines.iter().zip(LINES) {
        let points = values
            .iter()
            .enumerate()
            .map(|(bucket, value)| format!("{:.1},{:.1}", x((bucket as f64 + 0.5) * BUCKET), y(*value)));
        let points = points.collect::<Vec<_>>().join(" ");
        let _ = writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke-width=\"1.8\" {style}/>");
    }
    for second in (0..=phases.end.as_secs()).step_by(if phases.end.as_secs() > 20 { 5 } else { 2 }) {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{second} s</text>",
            x(second as f64),
            bottom + 18.0
        );
    }
}
