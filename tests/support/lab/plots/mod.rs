//! The scenarios as pictures, one or two each, and as a page of all of them.
//!
//! What is drawn over time is the mean of the seeds; what is written below a picture, and what is drawn over anything else,
//! is the worst of them.

mod again;
mod axis;
#[path = "../../../../examples/chart/mod.rs"]
mod chart;
mod fanned;
mod map;
mod overload;
pub mod page;
mod panels;
mod shared;

use std::ops::Range;

use chart::About;

/// How much is run.
pub struct Effort {
    pub seeds: Range<u64>,
    /// So little that it shows nothing: for tests of what draws.
    pub is_brief: bool,
}

impl Effort {
    /// Of `all`, or of `brief`.
    fn of<T>(&self, all: T, brief: T) -> T {
        if self.is_brief { brief } else { all }
    }

    /// For how many seconds anything runs, at most.
    fn longest(&self) -> f64 {
        self.of(f64::INFINITY, 0.5)
    }
}

/// A picture of a scenario.
pub struct Plot {
    /// The scenario.
    pub name: &'static str,
    pub title: &'static str,
    /// What is to be seen.
    pub says: &'static str,
    /// What it is called among the pictures of the documentation, if it is one of them.
    pub picture: Option<&'static str>,
    draw: fn(&Plot, &Effort) -> Drawn,
}

impl Plot {
    pub fn draw(&self, effort: &Effort) -> Drawn {
        (self.draw)(self, effort)
    }

    fn about(&self) -> About<'_> {
        About { title: self.title, description: self.says }
    }
}

/// A picture, and its figures.
pub struct Drawn {
    pub svg: String,
    pub table: Table,
}

/// Figures in rows, below what they are.
pub struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// A row of figures for each way, below their names.
fn table<'a>(ways: impl Iterator<Item = (&'static str, Vec<(&'a str, f64)>)>) -> Table {
    let ways: Vec<_> = ways.collect();
    let names = ways[0].1.iter().map(|(name, _)| (*name).to_owned());
    let head = [String::new()].into_iter().chain(names).collect();
    let row = |(way, figures): &(&str, Vec<(&str, f64)>)| {
        let figures = figures.iter().map(|(_, figure)| shown(*figure));
        [(*way).to_owned()].into_iter().chain(figures).collect()
    };
    Table { head, rows: ways.iter().map(row).collect() }
}

/// A figure to three places. What never ends is a time, and what there is none of is no figure.
fn shown(figure: f64) -> String {
    match figure {
        figure if figure.is_nan() => "-".into(),
        figure if figure.is_infinite() => "never".into(),
        figure => format!("{figure:.3}"),
    }
}

/// All of them, in the order of their names.
pub fn all() -> Vec<Plot> {
    let overload = overload::PLOTS.into_iter().chain(fanned::PLOTS).chain(again::PLOTS);
    overload.chain(shared::PLOTS).chain(again::LATER).collect()
}
