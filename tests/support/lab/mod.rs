//! A laboratory: an overloaded server, its callers, and what stands between them, in virtual time.
//!
//! Callers come at random and do not wait for each other. Each gives up when its time is over. What it was told by then
//! counts: a good answer in time, and nothing else.

#[path = "../ask.rs"]
mod ask;
pub mod attempts;
pub mod contention;
pub mod fanout;
pub mod front;
pub mod plots;
mod random;
mod report;
pub mod retrying;
pub mod scenarios;
mod server;
mod stacks;
pub mod stampede;
mod world;

use std::{pin::Pin, rc::Rc, sync::Arc, task::Poll, time::Duration};

use cofferdam::{Attempt, BoxError, Criticality, Deadline, Instant, Rejected, TaskKey};
pub use random::{Distribution, Random};
pub use report::Report;
pub use retrying::Way;
pub use server::{Change, Machine, Server, Sharing};
pub use stacks::{Client, Stack};
pub use world::Pace;
use world::{Event, Woken, World, nanos};

/// What is asked of the server: its work is a multiple of what calls cost on average.
pub type Ask = ask::Ask<f64>;

/// An experiment. What is in seconds says so by its number being a fraction.
#[derive(Clone, Debug)]
pub struct Experiment {
    pub machine: Machine,
    /// For how long a caller waits.
    pub patience: f64,
    /// From when on how many calls a second.
    pub load: Vec<(f64, f64)>,
    pub changes: Vec<(f64, Change)>,
    pub calls_per_task: usize,
    /// Independent clients of the one server, each with its own part of the stack.
    pub clients: usize,
    /// They ask one after the other; else it is chance who does.
    pub in_turn: bool,
    /// What a rejection by the server costs it, as a share of a call.
    pub rejection_cost: f64,
    /// A fifth of the tasks cost three times as much and wait three times as long; the others are cheaper.
    pub mixed: bool,
    pub seconds: f64,
    pub seed: u64,
}

/// What came of an experiment, and which it was.
pub type Ran = (Report, Experiment);

impl Experiment {
    /// S1: 16 workers, 20 ms each, and callers who wait for 100 ms; that many times what can be done.
    pub fn s1(times: f64, seed: u64) -> Self {
        let machine = Machine {
            workers: 16,
            mean: 0.02,
            distribution: Distribution::Lognormal { sigma: 0.6 },
            sharing: Sharing::Queue,
            cancels: false,
        };
        Self {
            machine,
            patience: 0.1,
            load: vec![(0.0, 800.0 * times)],
            changes: Vec::new(),
            calls_per_task: 1,
            clients: 1,
            in_turn: true,
            rejection_cost: 0.0,
            mixed: false,
            seconds: 40.0,
            seed,
        }
    }

    /// S1b: the server has an eighth of its capacity for 20 seconds.
    pub fn s1b(seed: u64) -> Self {
        let (weak, well) = ([Change::Workers(4), Change::Slower(2.0)], [Change::Workers(16), Change::Slower(1.0)]);
        let changes = weak.map(|change| (20.0, change)).into_iter().chain(well.map(|change| (40.0, change)));
        Self {
            patience: 0.2,
            load: vec![(0.0, 640.0)],
            changes: changes.collect(),
            seconds: 60.0,
            ..Self::s1(1.0, seed)
        }
    }

    /// The same with another distribution, and callers who are as patient as that needs.
    pub fn with(mut self, distribution: Distribution, patience: f64) -> Self {
        self.machine.distribution = distribution;
        self.patience = patience;
        self
    }

    /// The same with so many workers that take so long; callers wait for five times that, and as many come as before.
    pub fn scaled(mut self, workers: u32, mean: f64) -> Self {
        let factor = f64::from(workers) / mean / self.capacity();
        self.load.iter_mut().for_each(|(_, rate)| *rate *= factor);
        self.patience = self.patience * mean / self.machine.mean;
        (self.machine.workers, self.machine.mean) = (workers, mean);
        self
    }

    /// The same, cut off after so many seconds.
    pub fn within(self, seconds: f64) -> Self {
        Self { seconds: self.seconds.min(seconds), ..self }
    }

    /// Calls a second that can be done.
    pub fn capacity(&self) -> f64 {
        f64::from(self.machine.workers) / self.machine.mean
    }

    /// Runs it.
    pub fn run(&self, stack: Stack) -> Report {
        self.run_by(Pace::Virtual, |server| stack.clients(server, self.clients))
    }

    /// Runs it with clients that go to the server in a way of their own.
    pub fn run_by(&self, pace: Pace, clients: impl FnOnce(&Server) -> Vec<Client>) -> Report {
        pace.runtime().block_on(async {
            // What draws from a generator of its thread, and what counts in windows, is then the same in every run.
            fastrand::seed(self.seed);
            if pace == Pace::Virtual {
                let passed = Instant::now().since(Instant::ORIGIN).as_millis() as u64;
                tokio::time::advance(Duration::from_millis(HOUR_IN_MILLIS - passed % HOUR_IN_MILLIS)).await;
            }
            Run::new(self, pace, clients).run_out().await
        })
    }

    fn rate(&self, seconds: f64) -> f64 {
        self.load.iter().rev().find(|(from, _)| *from <= seconds).map_or(0.0, |(_, rate)| *rate)
    }
}

const HOUR_IN_MILLIS: u64 = 3_600_000;

/// Whether the server's part of the stack did it, and not the client's.
fn was_turned_away(error: &BoxError) -> bool {
    let by_server = |rejected: &Rejected| rejected.by().as_str() == "server";
    error.is::<stacks::TurnedAway>() || Rejected::find(error.as_ref()).is_some_and(by_server)
}

/// What a client has begun.
pub type Call = Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

struct Asked {
    call: Option<Call>,
    task: usize,
    class: usize,
    began: u64,
    until: u64,
}

struct Run<'a> {
    experiment: &'a Experiment,
    world: Rc<World>,
    server: Server,
    clients: Vec<Client>,
    woken: Arc<Woken>,
    asked: slab::Slab<Asked>,
    random: Random,
    /// Who asks, where that is chance.
    who: Random,
    report: Report,
}

impl<'a> Run<'a> {
    fn new(experiment: &'a Experiment, pace: Pace, clients: impl FnOnce(&Server) -> Vec<Client>) -> Self {
        let world = World::new(pace);
        let server = Server::new(Rc::clone(&world), experiment.machine, experiment.seed);
        Self {
            experiment,
            clients: clients(&server),
            server,
            world,
            woken: Arc::default(),
            asked: slab::Slab::new(),
            random: Random::new(experiment.seed),
            who: Random::new(experiment.seed ^ 0x0C11),
            report: Report::new(experiment.capacity()),
        }
    }

    async fn run_out(mut self) -> Report {
        for (index, (at, _)) in self.experiment.changes.iter().enumerate() {
            self.world.at(nanos(*at), Event::Change(index));
        }
        self.arrive_later();
        while self.world.now() < nanos(self.experiment.seconds) {
            match self.world.step().await {
                Some(Event::Arrival) => self.arrive(),
                Some(Event::GiveUp(number)) => self.give_up(number),
                Some(Event::Done { job, number }) => self.server.done(job, number),
                Some(Event::Change(index)) => self.server.change(self.experiment.changes[index].1),
                None => {}
            }
            loop {
                let woken = self.woken.take();
                if woken.is_empty() {
                    break;
                }
                woken.into_iter().for_each(|number| self.poll(number));
            }
        }
        self.report.counts = self.server.counts();
        self.report.arrivals = self.server.arrivals();
        self.report
    }

    fn seconds(&self) -> f64 {
        self.world.now() as f64 / 1e9
    }

    fn arrive_later(&mut self) {
        let rate = self.experiment.rate(self.seconds()) / self.experiment.calls_per_task as f64;
        self.world.after(self.random.exponential(1.0 / rate), Event::Arrival);
    }

    /// A fifth is critical, three tenths matter, and half may be shed.
    fn arrive(&mut self) {
        let (class, criticality) = match self.random.uniform() {
            chance if chance < 0.2 => (0, Criticality::CriticalPlus),
            chance if chance < 0.5 => (1, Criticality::Critical),
            _ => (2, Criticality::Sheddable),
        };
        let (cost, patience) = match self.random.uniform() {
            _ if !self.experiment.mixed => (1.0, 1.0),
            chance if chance < 0.2 => (3.0, 3.0),
            _ => (0.5, 1.0),
        };
        let patience = nanos(self.experiment.patience * patience);
        let task = self.report.begin(self.seconds(), class, self.experiment.calls_per_task, cost);
        let key = TaskKey::of(&self.random.next().to_string());
        let turn = if self.experiment.in_turn { task } else { self.who.next() as usize };
        let client = Rc::clone(&self.clients[turn % self.clients.len()]);
        let deadline = Deadline::after(Duration::from_nanos(patience));
        for _ in 0..self.experiment.calls_per_task {
            let ask = Ask { deadline, criticality, task: Some(key), attempt: Attempt::FIRST, work: cost };
            let call = Some(client(ask));
            let began = self.world.now();
            let number = self.asked.insert(Asked { call, task, class, began, until: began + patience });
            // Numbers are used again, so a time goes with them: see `give_up`.
            self.world.at(began + patience, Event::GiveUp(number));
            self.poll(number);
        }
        self.arrive_later();
    }

    fn poll(&mut self, number: usize) {
        let Some(mut call) = self.asked.get_mut(number).and_then(|asked| asked.call.take()) else { return };
        let waker = self.woken.waker(number);
        match call.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            Poll::Pending => self.asked[number].call = Some(call),
            Poll::Ready(answer) => {
                drop(call);
                if self.experiment.rejection_cost > 0.0
                    && let Err(error) = &answer
                    && was_turned_away(error)
                {
                    self.server.reject(self.experiment.rejection_cost * self.experiment.machine.mean);
                }
                let asked = self.asked.remove(number);
                let took = (self.world.now() - asked.began) as f64 / 1e9;
                self.report.end(asked.task, asked.class, answer.is_ok().then_some(took));
            }
        }
    }

    fn give_up(&mut self, number: usize) {
        if self.asked.get(number).is_some_and(|asked| asked.until == self.world.now()) {
            let Asked { call, task, class, .. } = self.asked.remove(number);
            drop(call);
            self.report.end(task, class, None);
        }
    }
}
