//! Shares in rows and columns, as fields that are the darker the more it is.

use std::fmt::Write;

use super::chart::{self, About, LEFT, WIDTH, escaped};

/// A share that was lost.
pub(super) struct Cell(pub(super) f64);

/// Grids beside each other, which have the same rows and columns.
pub(super) struct Grid<'a> {
    pub(super) columns: &'a [String],
    pub(super) rows: &'a [String],
    pub(super) cells: &'a [(&'a str, Vec<Vec<Cell>>)],
}

/// Up to which share a field has which colour, and the text in it. They differ in lightness alone.
const SHADES: [(f64, &str, &str, &str); 5] = [
    (0.0005, "#eef4fa", "#3c5266", "0.05 %"),
    (0.01, "#c3d9ee", "#12293c", "1 %"),
    (0.1, "#7fb0d8", "#0a1c2b", "10 %"),
    (0.5, "#2f74ad", "#fff", "50 %"),
    (1.0, "#0a3258", "#fff", "all"),
];

const FIELD: f64 = 24.0;
const TOP: f64 = 96.0;
/// Where the rows' names end.
const NAMES: f64 = 96.0;
const BETWEEN: f64 = 14.0;

const NOTES: [&str; 2] = [
    "Rows: requests a second, and which part of them is for the sick dependency. Columns: it hangs, is so many times",
    "slower, or errs in half of its calls. Fields: the requests for the healthy one that are lost meanwhile, in percent.",
];

impl Grid<'_> {
    pub(super) fn svg(&self, about: &About) -> String {
        let mut svg = legend();
        for (index, name) in self.rows.iter().enumerate() {
            let y = TOP + FIELD * index as f64 + 16.0;
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\" font-size=\"12\">{name}</text>",
                NAMES - 8.0
            );
        }
        let each = (LEFT + WIDTH + 30.0 - NAMES + BETWEEN) / self.cells.len() as f64;
        for (index, (name, rows)) in self.cells.iter().enumerate() {
            let left = NAMES + each * index as f64;
            let _ = writeln!(
                svg,
                "<text x=\"{left:.1}\" y=\"64\" font-size=\"14\" font-weight=\"600\">{}</text>",
                escaped(name)
            );
            self.draw(&mut svg, rows, left, (each - BETWEEN) / self.columns.len() as f64);
        }
        let below = TOP + FIELD * self.rows.len() as f64 + 24.0;
        for (index, note) in NOTES.iter().enumerate() {
            let y = below + 18.0 * index as f64;
            let _ = writeln!(svg, "<text x=\"{NAMES}\" y=\"{y}\" font-size=\"12\">{note}</text>");
        }
        chart::frame(about, below + 32.0, &svg)
    }

    fn draw(&self, svg: &mut String, rows: &[Vec<Cell>], left: f64, width: f64) {
        let middle = |column: usize| left + width * (column as f64 + 0.5);
        for (column, name) in self.columns.iter().enumerate() {
            let (x, y) = (middle(column), TOP - 8.0);
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\" font-size=\"11\">{name}</text>");
        }
        for (row, cells) in rows.iter().enumerate() {
            let y = TOP + FIELD * row as f64;
            for (column, Cell(share)) in cells.iter().enumerate() {
                let (x, right, height) = (left + width * column as f64, width - 1.0, FIELD - 1.0);
                let (_, fill, ink, _) = shade(*share);
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{right:.1}\" height=\"{height}\" fill=\"{fill}\"/>\
                     <text class=\"own\" x=\"{:.1}\" y=\"{}\" fill=\"{ink}\" text-anchor=\"middle\" font-size=\"11\">{}</text>",
                    middle(column),
                    y + 16.0,
                    percent(*share)
                );
            }
        }
    }
}

fn shade(share: f64) -> (f64, &'static str, &'static str, &'static str) {
    SHADES.into_iter().find(|(most, ..)| share <= *most).unwrap_or(SHADES[SHADES.len() - 1])
}

/// As exactly as there is room for, and never nothing for something.
fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0".into(),
        percent if percent < 0.005 => "&lt;0.01".into(),
        percent if percent < 0.095 => format!("{percent:.2}"),
        percent if percent < 9.95 => format!("{percent:.1}"),
        percent => format!("{percent:.0}"),
    }
}

fn legend() -> String {
    let mut svg = format!("<text x=\"{NAMES}\" y=\"24\">lost, up to</text>\n");
    for (index, (_, fill, _, what)) in SHADES.into_iter().enumerate() {
        let x = NAMES + 84.0 + 118.0 * index as f64;
        let _ = writeln!(
            svg,
            "<rect class=\"grid\" x=\"{x}\" y=\"11\" width=\"18\" height=\"18\" fill=\"{fill}\" stroke=\"#000\" stroke-opacity=\"0.2\"/>\
             <text x=\"{}\" y=\"24\">{what}</text>",
            x + 24.0
        );
    }
    svg
}
