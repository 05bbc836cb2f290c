//! Charts of lines, as an SVG that is told in words as well, and that is light or dark as its reader has it.

use std::fmt::Write;

pub(crate) const WIDTH: f64 = 720.0;
pub(crate) const LEFT: f64 = 60.0;
const HEIGHT: f64 = 200.0;
const RIGHT: f64 = 40.0;
const ROW: f64 = HEIGHT + 76.0;

/// How lines are drawn. They differ in dashes as well as in colour, and in lightness too.
const STYLES: [&str; 5] = [
    "class=\"a\" stroke=\"#0060a8\" stroke-width=\"2.4\"",
    "class=\"b\" stroke=\"#c04a00\" stroke-width=\"1.8\" stroke-dasharray=\"7 4\"",
    "class=\"c\" stroke=\"#008562\" stroke-width=\"2\" stroke-dasharray=\"2 3\"",
    "class=\"d\" stroke=\"#9a4f96\" stroke-width=\"1.8\" stroke-dasharray=\"11 3 2 3\"",
    "class=\"e\" stroke=\"#6b6b6b\" stroke-width=\"1.2\"",
];

/// What differs in the dark. All else is in the attributes, for those who draw without styles.
const DARK: &str = "@media (prefers-color-scheme:dark){\
.chart .paper{fill:#14171a}.chart text:not(.own){fill:#e6e6e6}.chart .grid{stroke:#fff}.chart .shade{fill:#3b3226}\
.chart .a{stroke:#58b4f5}.chart .b{stroke:#ff9d57}.chart .c{stroke:#45d6ae}.chart .d{stroke:#e29bdc}\
.chart .e{stroke:#b4b4b4}}";

/// What stands at an axis, and where: from 0 to 1.
pub(crate) type Marks = Vec<(f64, String)>;

/// One chart. All places are from 0 to 1, to the right and up.
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) across: Marks,
    pub(crate) up: Marks,
    /// From where to where something is different, and what.
    pub(crate) shaded: Vec<(f64, f64, &'static str)>,
    /// At most five.
    pub(crate) lines: Vec<Vec<(f64, f64)>>,
}

/// What a picture is called, and what is to be seen in it.
pub(crate) struct About<'a> {
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
}

/// The charts below each other, under what their lines are.
pub(crate) fn page(about: &About, labels: &[&str], charts: &[Chart]) -> String {
    let mut inside = String::new();
    let top = legend(&mut inside, labels) + 44.0;
    for (row, chart) in charts.iter().enumerate() {
        draw(&mut inside, chart, top + ROW * row as f64);
    }
    frame(about, top + ROW * charts.len() as f64 - 30.0, &inside)
}

/// A picture of that height around what is in it.
pub(crate) fn frame(about: &About, height: f64, inside: &str) -> String {
    let (title, description) = (escaped(about.title), escaped(about.description));
    let width = LEFT + WIDTH + RIGHT;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" role=\"img\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui,sans-serif\" font-size=\"13\">\n<title>{title}</title>\n<desc>{description}</desc>\n\
         <style>{DARK}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{inside}</svg>\n"
    )
}

/// A text as it is written within XML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The room in a legend for a line, and for a letter.
const LINE: f64 = 60.0;
const LETTER: f64 = 6.9;

/// What the lines are, in as many rows as that needs; and where the last of them stands.
fn legend(svg: &mut String, labels: &[&str]) -> f64 {
    let (mut x, mut y) = (LEFT, 18.0);
    for (label, style) in labels.iter().zip(STYLES) {
        let width = LINE + LETTER * label.chars().count() as f64;
        if x > LEFT && x + width > LEFT + WIDTH {
            (x, y) = (LEFT, y + 22.0);
        }
        let (line, text) = (y - 4.0, x + 40.0);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.0} {line}h32\" {style} fill=\"none\"/><text x=\"{text:.0}\" y=\"{y}\">{}</text>",
            escaped(label)
        );
        x += width;
    }
    y
}

fn draw(svg: &mut String, chart: &Chart, top: f64) {
    let (x, y) = (|place: f64| LEFT + WIDTH * place, |place: f64| top + HEIGHT * (1.0 - place));
    let title = escaped(&chart.title);
    let _ =
        writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" font-size=\"15\" font-weight=\"600\">{title}</text>", top - 12.0);
    for (from, to, _) in &chart.shaded {
        let (from, width) = (x(*from), WIDTH * (to - from));
        let _ = writeln!(
            svg,
            "<rect class=\"shade\" x=\"{from:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{HEIGHT}\" fill=\"#f3e9dc\"/>"
        );
    }
    for (place, mark) in &chart.up {
        let (line, left) = (y(*place), LEFT - 6.0);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {line:.1}h{WIDTH}\" stroke=\"#000\" stroke-opacity=\"0.2\"/>\
             <text x=\"{left}\" y=\"{:.1}\" text-anchor=\"end\">{mark}</text>",
            line + 4.0
        );
    }
    for (place, mark) in &chart.across {
        let (at, below) = (x(*place), top + HEIGHT + 18.0);
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{mark}</text>");
    }
    for (line, style) in chart.lines.iter().zip(STYLES) {
        let points: Vec<_> = line.iter().map(|(right, up)| format!("{:.1},{:.1}", x(*right), y(*up))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" {style} fill=\"none\" stroke-linejoin=\"round\"/>",
            points.join(" ")
        );
    }
    for (from, _, what) in &chart.shaded {
        let (from, below) = (x(*from) + 2.0, top + HEIGHT + 36.0);
        let _ = writeln!(svg, "<text x=\"{from:.1}\" y=\"{below}\" font-style=\"italic\">{}</text>", escaped(what));
    }
}
