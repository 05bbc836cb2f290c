//! What came of it.

/// Tasks by when they began, and what became of them.
#[derive(Clone, Debug)]
pub struct Report {
    capacity: f64,
    tasks: Vec<Task>,
    /// How long what was answered took, in seconds, and for whom.
    took: Vec<(usize, f64)>,
    /// Calls that came to the server, work that it did, and did for nobody.
    pub counts: (u64, u64, u64),
}

#[derive(Clone, Debug)]
struct Task {
    began: f64,
    class: usize,
    calls: usize,
    open: usize,
    good: usize,
    /// What a call of it costs, as a multiple of what calls cost on average.
    cost: f64,
}

impl Report {
    pub fn new(capacity: f64) -> Self {
        Self { capacity, tasks: Vec::new(), took: Vec::new(), counts: (0, 0, 0) }
    }

    pub fn begin(&mut self, began: f64, class: usize, calls: usize, cost: f64) -> usize {
        self.tasks.push(Task { began, class, calls, open: calls, good: 0, cost });
        self.tasks.len() - 1
    }

    /// A call of that task has ended: after so many seconds, if well.
    pub fn end(&mut self, task: usize, class: usize, took: Option<f64>) {
        self.tasks[task].open -= 1;
        if let Some(took) = took {
            self.tasks[task].good += 1;
            self.took.push((class, took));
        }
    }

    fn between(&self, from: f64, to: f64) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(move |task| task.began >= from && task.began < to && task.open == 0)
    }

    /// Work a second for good answers to those who came between these two moments, as a share of what can be done.
    pub fn goodput(&self, from: f64, to: f64) -> f64 {
        let good: f64 = self.between(from, to).map(|task| task.good as f64 * task.cost).sum();
        good / (to - from) / self.capacity
    }

    /// The share of calls that got a good answer: of that class, or of all.
    pub fn success(&self, class: Option<usize>, from: f64, to: f64) -> f64 {
        let of_class = |task: &&Task| class.is_none_or(|class| task.class == class);
        let (good, all) = self
            .between(from, to)
            .filter(of_class)
            .fold((0, 0), |(good, all), task| (good + task.good, all + task.calls));
        good as f64 / all as f64
    }

    /// The share of tasks all of whose calls got a good answer.
    pub fn whole(&self, from: f64, to: f64) -> f64 {
        let (good, all) = self
            .between(from, to)
            .fold((0, 0), |(good, all), task| (good + usize::from(task.good == task.calls), all + 1));
        f64::from(u32::try_from(good).unwrap()) / f64::from(all)
    }

    /// So long took that share of what was answered, at most.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut took: Vec<f64> = self.took.iter().map(|(_, took)| *took).collect();
        took.sort_unstable_by(f64::total_cmp);
        took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }

    /// The share of the server's work that was done for nobody.
    pub fn waste(&self) -> f64 {
        let (_, done, wasted) = self.counts;
        wasted as f64 / done.max(1) as f64
    }
}
