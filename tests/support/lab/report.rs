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
    /// Calls that came to the server in each tenth of a second.
    pub arrivals: Vec<u64>,
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
        Self { capacity, tasks: Vec::new(), took: Vec::new(), counts: (0, 0, 0), arrivals: Vec::new() }
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

    /// How long after that moment all was well again: until the first five seconds of which 95 % were answered well, to half a
    /// second. Never is a long time.
    pub fn recovery(&self, after: f64) -> f64 {
        let last = self.tasks.last().map_or(0.0, |task| task.began);
        let halves = (0..).map(|half| f64::from(half) * 0.5).take_while(|later| after + later + 5.0 <= last);
        let is_well = |later: &f64| self.success(None, after + later, after + later + 5.0) >= 0.95;
        halves.into_iter().find(is_well).unwrap_or(f64::INFINITY)
    }

    /// How many tasks came between these two moments, and how many of them were not answered well.
    pub fn lost(&self, from: f64, to: f64) -> (f64, f64) {
        self.between(from, to)
            .fold((0.0, 0.0), |(all, lost), task| (all + 1.0, lost + if task.good == task.calls { 0.0 } else { 1.0 }))
    }

    /// Calls that came to the server between these two moments, in whole tenths of a second.
    pub fn calls(&self, from: f64, to: f64) -> f64 {
        let tenth = |moment: f64| ((moment * 10.0).round() as usize).min(self.arrivals.len());
        self.arrivals[tenth(from)..tenth(to)].iter().sum::<u64>() as f64
    }

    /// The same for each request that came.
    pub fn calls_per_request(&self, from: f64, to: f64) -> f64 {
        self.calls(from, to) / self.lost(from, to).0
    }
}
