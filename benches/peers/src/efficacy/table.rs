//! What came of a scenario, side by side.

use std::thread;

use crate::lab::Pace;

/// What a side did. Each figure is the worst of the seeds.
pub struct Row {
    pub side: &'static str,
    pub ours: bool,
    pub pace: Pace,
    pub figures: Vec<(&'static str, f64)>,
}

/// A scenario.
pub struct Table {
    pub scenario: String,
    pub rows: Vec<Row>,
}

/// Which end of a figure is the better one.
#[derive(Clone, Copy, Debug)]
pub enum Better {
    Less,
    More,
}

impl Table {
    /// Runs and prints it: what runs in virtual time one after the other, and then all at once what takes real time.
    pub fn of<S: Sync>(scenario: String, quick: &[S], real: &[S], run: impl Fn(&S) -> Row + Sync) -> Self {
        let mut rows: Vec<Row> = quick.iter().map(&run).collect();
        rows.extend(thread::scope(|scope| {
            let run = &run;
            let runs: Vec<_> = real.iter().map(|side| scope.spawn(move || run(side))).collect();
            runs.into_iter().map(|run| run.join().expect("no run panics")).collect::<Vec<_>>()
        }));
        let table = Self { scenario, rows };
        table.print();
        table
    }

    fn print(&self) {
        println!("\n{}", self.scenario);
        for Row { side, pace, figures, .. } in &self.rows {
            let wall = if *pace == Pace::Real { " (real time)" } else { "" };
            print!("  {:56}", format!("{side}{wall}"));
            figures.iter().for_each(|(name, figure)| print!("  {name} {figure:.3}"));
            println!();
        }
    }

    /// Our first row is no worse in that figure than any peer, but for what chance may do.
    pub fn assert(&self, figure: &str, better: Better, chance: f64) {
        let read = |row: &Row| row.figures.iter().find(|(name, _)| *name == figure).map(|(_, value)| *value);
        let ours =
            self.rows.iter().find(|row| row.ours).and_then(read).expect("there is one of ours, with that figure");
        for row in self.rows.iter().filter(|row| !row.ours) {
            let theirs = read(row).expect("all have the same figures");
            let holds = match better {
                Better::Less => ours <= theirs + chance,
                Better::More => ours >= theirs - chance,
            };
            assert!(holds, "{}: {figure} is {ours:.3}, and {theirs:.3} with {}", self.scenario, row.side);
        }
    }
}
