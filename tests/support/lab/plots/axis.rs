//! Where a value stands between the ends of an axis.

use super::chart::Marks;

/// From its first mark to its last, evenly or by logarithms.
#[derive(Clone)]
pub(super) struct Axis {
    marks: Vec<(f64, String)>,
    is_log: bool,
}

impl Axis {
    /// Evenly, with a mark at each of these values.
    pub(super) fn even(values: &[f64], unit: &str) -> Self {
        Self { marks: marks(values, unit), is_log: false }
    }

    /// The same by logarithms.
    pub(super) fn log(values: &[f64], unit: &str) -> Self {
        Self { marks: marks(values, unit), is_log: true }
    }

    /// By logarithms, with names for the values.
    pub(super) fn named(values: &[(f64, &str)]) -> Self {
        Self { marks: values.iter().map(|(value, name)| (*value, (*name).to_owned())).collect(), is_log: true }
    }

    /// Seconds from one moment to another.
    pub(super) fn seconds(from: f64, to: f64, step: usize) -> Self {
        let marks = (from as u32..=to as u32).step_by(step).map(f64::from);
        Self::even(&marks.collect::<Vec<_>>(), " s")
    }

    pub(super) fn marks(&self) -> Marks {
        self.marks.iter().map(|(value, name)| (self.place(*value), name.clone())).collect()
    }

    /// The values that have a mark, and how they are written.
    pub(super) fn marked(&self) -> &[(f64, String)] {
        &self.marks
    }

    /// From 0 to 1, which is where all stands that is beyond.
    pub(super) fn place(&self, value: f64) -> f64 {
        let (first, last) = (self.marks[0].0, self.marks[self.marks.len() - 1].0);
        let way =
            if self.is_log { (value / first).ln() / (last / first).ln() } else { (value - first) / (last - first) };
        way.clamp(0.0, 1.0)
    }
}

fn marks(values: &[f64], unit: &str) -> Vec<(f64, String)> {
    values.iter().map(|value| (*value, format!("{value}{unit}"))).collect()
}
