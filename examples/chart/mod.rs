//! What happened each second, as a plot: one panel above the other, two lines in each.

use std::{fmt::Write, time::Duration};

const BUCKET: f64 = 0.5;
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 56.0;
const ROW: f64 = HEIGHT + 70.0;

/// How the lines look. They differ in dashes as well as in colour.
const STYLES: [&str; 2] = ["stroke=\"#0060a8\"", "stroke=\"#c04a00\" stroke-dasharray=\"6 3\""];

pub(crate) struct Plot<'a> {
    /// What the two lines are.
    pub(crate) legend: [&'static str; 2],
    pub(crate) panels: &'a [(&'static str, [Vec<f64>; 2])],
    /// From when to when what is wrong.
    pub(crate) troubles: &'a [(Duration, Duration, &'static str)],
    /// A number a second to compare with, and what it is.
    pub(crate) mark: (f64, &'static str),
    pub(crate) end: Duration,
}

/// How many of these moments a second, in each bucket.
pub(crate) fn per_second(moments: impl Iterator<Item = Duration>, end: Duration) -> Vec<f64> {
    let mut counts = vec![0.0; (end.as_secs_f64() / BUCKET) as usize];
    for moment in moments {
        if let Some(count) = counts.get_mut((moment.as_secs_f64() / BUCKET) as usize) {
            *count += 1.0 / BUCKET;
        }
    }
    counts
}

impl Plot<'_> {
    pub(crate) fn draw(&self) -> String {
        let (width, height) = (LEFT + WIDTH + 20.0, TOP + self.panels.len() as f64 * ROW);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        for (index, (label, style)) in self.legend.into_iter().zip(STYLES).enumerate() {
            let x = LEFT + 260.0 * index as f64;
            let _ = writeln!(
                svg,
                "<path d=\"M{x} 14h26\" stroke-width=\"2\" {style}/><text x=\"{}\" y=\"18\">{label}</text>",
                x + 34.0
            );
        }
        let most = self.panels.iter().flat_map(|(_, lines)| lines).flatten().copied().fold(self.mark.0, f64::max);
        for (row, (name, lines)) in self.panels.iter().enumerate() {
            let top = TOP + ROW * row as f64;
            let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" font-size=\"16\">{name}: a second</text>", top - 10.0);
            self.panel(&mut svg, lines, most, top);
        }
        svg + "</svg>\n"
    }

    fn panel(&self, svg: &mut String, lines: &[Vec<f64>; 2], most: f64, top: f64) {
        let (end, bottom) = (self.end.as_secs_f64(), top + HEIGHT);
        let x = |seconds: f64| LEFT + WIDTH * seconds / end;
        let y = |value: f64| bottom - HEIGHT * value / most;
        for (from, to, what) in self.troubles {
            let (from, to) = (x(from.as_secs_f64()), x(to.as_secs_f64()));
            let _ = writeln!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{HEIGHT}\" fill=\"#f3e9dc\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{what}</text>",
                to - from,
                from + 6.0,
                top + 16.0
            );
        }
        for (value, name) in [(0.0, ""), self.mark, (most, "")] {
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {0:.1}h{WIDTH}\" stroke=\"#0003\"/><text x=\"{1}\" y=\"{2:.1}\">{value:.0}</text>\
                 <text x=\"{3}\" y=\"{4:.1}\" fill=\"#777\">{name}</text>",
                y(value),
                LEFT - 36.0,
                y(value) + 4.0,
                LEFT + WIDTH - 80.0,
                y(value) - 4.0,
            );
        }
        for (values, style) in lines.iter().zip(STYLES) {
            let points = values.iter().enumerate();
            let points =
                points.map(|(bucket, value)| format!("{:.1},{:.1}", x((bucket as f64 + 0.5) * BUCKET), y(*value)));
            let points = points.collect::<Vec<_>>().join(" ");
            let _ = writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke-width=\"1.8\" {style}/>");
        }
        for second in (0..=self.end.as_secs()).step_by(if end > 20.0 { 5 } else { 2 }) {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{second} s</text>",
                x(second as f64),
                bottom + 18.0
            );
        }
    }
}
