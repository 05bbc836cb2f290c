//! What several ways make of the same, as charts below each other.

use super::{
    Drawn, Plot, Table,
    axis::Axis,
    chart::{self, Chart},
    shown,
};

/// Charts over one axis, with a line for each way.
pub(super) struct Panels {
    pub(super) ways: Vec<&'static str>,
    pub(super) across: Axis,
    /// Where on that axis there are values.
    pub(super) points: Vec<f64>,
    pub(super) shaded: Vec<(f64, f64, &'static str)>,
    pub(super) panels: Vec<Panel>,
}

/// A chart.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) up: Axis,
    /// Of each way, at each point.
    pub(super) values: Vec<Vec<f64>>,
}

impl Panels {
    /// With the values at the marks as a table.
    pub(super) fn draw(&self, plot: &Plot) -> Drawn {
        Drawn { svg: self.svg(plot), table: self.table() }
    }

    pub(super) fn svg(&self, plot: &Plot) -> String {
        let shade = |(from, to, what): &(f64, f64, _)| (self.across.place(*from), self.across.place(*to), *what);
        let charts = self.panels.iter().map(|panel| Chart {
            title: panel.title.to_owned(),
            across: self.across.marks(),
            up: panel.up.marks(),
            shaded: self.shaded.iter().map(shade).collect(),
            lines: panel.values.iter().map(|values| self.line(panel, values)).collect(),
        });
        chart::page(&plot.about(), &self.ways, &charts.collect::<Vec<_>>())
    }

    fn line(&self, panel: &Panel, values: &[f64]) -> Vec<(f64, f64)> {
        let known = self.points.iter().zip(values).filter(|(_, value)| !value.is_nan());
        known.map(|(point, value)| (self.across.place(*point), panel.up.place(*value))).collect()
    }

    fn table(&self) -> Table {
        let marks = self.across.marked();
        let near = |mark: f64| {
            let off = |index: &usize| (self.points[*index] - mark).abs();
            (0..self.points.len()).min_by(|one, other| off(one).total_cmp(&off(other))).expect("there are points")
        };
        let names = marks.iter().map(|(_, name)| name.clone());
        let head = [String::new(), String::new()].into_iter().chain(names).collect();
        let rows = self.panels.iter().flat_map(|panel| {
            self.ways.iter().zip(&panel.values).map(|(way, values)| {
                let values = marks.iter().map(|(mark, _)| shown(values[near(*mark)]));
                [panel.title.to_owned(), (*way).to_owned()].into_iter().chain(values).collect()
            })
        });
        Table { head, rows: rows.collect() }
    }
}

/// The time from one moment to another, cut in even pieces.
pub(super) struct Pieces {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) each: f64,
}

impl Pieces {
    fn starts(&self) -> impl Iterator<Item = f64> {
        let count = ((self.to - self.from) / self.each).round() as u32;
        (0..count).map(|piece| self.from + self.each * f64::from(piece))
    }

    pub(super) fn middles(&self) -> Vec<f64> {
        self.starts().map(|start| start + self.each / 2.0).collect()
    }

    /// What is read of each piece, from its start to its end: the mean of these runs.
    pub(super) fn mean<R>(&self, runs: &[R], read: impl Fn(&R, f64, f64) -> f64) -> Vec<f64> {
        let of = |start| runs.iter().map(|run| read(run, start, start + self.each)).sum::<f64>() / runs.len() as f64;
        self.starts().map(of).collect()
    }
}
