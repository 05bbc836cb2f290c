//! Ratios that survive a busy machine.
//!
//! The batches of all subjects alternate, so whatever slows the machine slows all of them, and of a subject's batches
//! the lower quartile counts: a batch in which the thread lost its core is an outlier on one side only.

use super::{Effort, subject::Subject};

/// Subjects that are compared with the first of them.
pub(crate) struct Table {
    pub(crate) title: &'static str,
    pub(crate) subjects: Vec<Subject>,
}

impl Table {
    pub(crate) fn new(title: &'static str, subjects: Vec<Subject>) -> Self {
        Self { title, subjects }
    }

    /// Measures and prints.
    pub(crate) fn print(&mut self, effort: Effort) {
        let figures = self.measure(effort);
        println!("\n{}", self.title);
        println!("  {:<48} {:>9} {:>9} {:>7}  bar", "per call", "ns", "median", "ratio");
        let unit = figures[0].quartile;
        for (subject, figure) in self.subjects.iter().zip(&figures) {
            let ratio = figure.quartile / unit;
            let verdict = subject.bar.map_or(String::new(), |bar| verdict(ratio, bar));
            println!("  {:<48} {:>9.1} {:>9.1} {ratio:>7.2}  {verdict}", subject.name, figure.quartile, figure.median);
        }
    }

    fn measure(&mut self, effort: Effort) -> Vec<Figure> {
        let mut times = vec![Vec::with_capacity(effort.rounds); self.subjects.len()];
        for _ in 0..effort.rounds {
            for (subject, times) in self.subjects.iter_mut().zip(&mut times) {
                // The caches and the branch predictor last saw the other subjects.
                subject.run(effort.calls / 20 + 1);
                times.push(subject.run(effort.calls).as_nanos() as f64 / effort.calls as f64);
            }
        }
        times.iter_mut().map(|times| Figure { quartile: quantile(times, 0.25), median: quantile(times, 0.5) }).collect()
    }
}

/// Nanoseconds per call.
struct Figure {
    quartile: f64,
    median: f64,
}

fn verdict(ratio: f64, bar: f64) -> String {
    format!("{bar:.2} {}", if ratio <= bar { "ok" } else { "MISSED" })
}

/// The value below which this share of the values lies.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    values.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
}
