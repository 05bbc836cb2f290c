//! Charts of lines, as an SVG.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 56.0;
const ROW: f64 = HEIGHT + 70.0;

/// How lines are drawn. They differ in dashes as well as in colour.
const STYLES: [&str; 2] = ["stroke=\"#0060a8\"", "stroke=\"#c04a00\" stroke-dasharray=\"6 3\""];

/// What stands at an axis, and where: from 0 to 1.
pub(crate) type Marks = Vec<(f64, String)>;

/// One chart. All places are from 0 to 1, to the right and up.
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) across: Marks,
    pub(crate) up: Marks,
    /// From where to where something is different, and what.
    pub(crate) shaded: Vec<(f64, f64, &'static str)>,
    pub(crate) lines: [Vec<(f64, f64)>; 2],
}

/// The charts below each other, under what their two lines are.
pub(crate) fn page(labels: [&str; 2], charts: &[Chart]) -> String {
    let (width, height) = (LEFT + WIDTH + 40.0, TOP + ROW * charts.len() as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, (label, style)) in labels.into_iter().zip(STYLES).enumerate() {
        let x = LEFT + 260.0 * index as f64;
        let _ = writeln!(
            svg,
            "<path d=\"M{x} 14h26\" stroke-width=\"2\" {style}/><text x=\"{}\" y=\"18\">{label}</text>",
            x + 34.0
        );
    }
    for (row, chart) in charts.iter().enumerate() {
        draw(&mut svg, chart, TOP + ROW * row as f64);
    }
    svg + "</svg>\n"
}

fn draw(svg: &mut String, chart: &Chart, top: f64) {
    let (x, y) = (|place: f64| LEFT + WIDTH * place, |place: f64| top + HEIGHT * (1.0 - place));
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" font-size=\"16\">{}</text>", top - 10.0, chart.title);
    for (from, to, what) in &chart.shaded {
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{HEIGHT}\" fill=\"#f3e9dc\"/>\
             <text x=\"{:.1}\" y=\"{}\">{what}</text>",
            x(*from),
            WIDTH * (to - from),
            x(*from) + 6.0,
            top + 16.0
        );
    }
    for (place, mark) in &chart.up {
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {0:.1}h{WIDTH}\" stroke=\"#0003\"/>\
             <text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\">{mark}</text>",
            y(*place),
            LEFT - 6.0,
            y(*place) + 4.0
        );
    }
    for (place, mark) in &chart.across {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{mark}</text>",
            x(*place),
            top + HEIGHT + 18.0
        );
    }
    for (line, style) in chart.lines.iter().zip(STYLES) {
        let points: Vec<_> = line.iter().map(|(right, up)| format!("{:.1},{:.1}", x(*right), y(*up))).collect();
        let _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke-width=\"1.8\" {style}/>", points.join(" "));
    }
}
