//! S4: a front end with so many slots and two dependencies, one of which gets into trouble.
//!
//! Requests come at random, wait for a slot, first come, first served, and hold it for as long as a call to their dependency
//! takes. Callers give up after a second; nobody tells the front end.

pub mod cells;
mod dependency;
mod figures;

use std::{cell::RefCell, ops::Range, rc::Rc, time::Duration};

use cofferdam::{
    Attempt, BoxError, Bulkhead, CircuitBreaker, Criticality, Deadline, Policy, Pool, Timeout, bulkhead::Queue, guard,
    waiting::Order,
};
pub use dependency::Dependency;
use figures::Asked;
pub use figures::{Figures, Seen};
use tokio::{
    task::{JoinSet, LocalSet},
    time::sleep,
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use super::{Ask, Call, Client, Distribution, Pace, Random};

/// What becomes of a dependency from 20 to 50 seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    Nothing,
    /// It never answers.
    Hang,
    /// It takes so many times as long.
    Slower(f64),
    /// That share of calls fails at once.
    Fail(f64),
    /// That share of calls is never answered: so many of its instances hang.
    HangPart(f64),
}

/// What stands between the front end and its dependencies, outside a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    Nothing,
    /// Tower's limit of so many calls for each of them, which somebody has found out, and its load shed.
    Tower(usize),
    /// A breaker with its defaults.
    Breaker,
    /// The same, and a share of a pool that knows the front end's slots.
    Pool,
    /// The same, where the pool knows how many slots there are, and no more.
    PoolByNumber,
}

/// An experiment.
#[derive(Clone, Copy, Debug)]
pub struct Front {
    pub slots: usize,
    pub rate: f64,
    /// Which part of the requests are for B.
    pub share: f64,
    pub trouble: Trouble,
    /// For how long, from the twentieth second on.
    pub lasts: f64,
    /// How many calls A and B work on at a time, if not on all.
    pub workers: [Option<usize>; 2],
    /// How many times as many requests for A come from 30 to 40 seconds.
    pub surge: f64,
    /// Callers who give up take their request with them.
    pub cancels: bool,
    pub seed: u64,
}

pub const BEGINS: f64 = 20.0;
const PATIENCE: f64 = 1.0;
const MEAN: f64 = 0.02;
const USUAL: Distribution = Distribution::Lognormal { sigma: 0.4 };

impl Front {
    pub fn s4(trouble: Trouble, seed: u64) -> Self {
        Self {
            slots: 64,
            rate: 500.0,
            share: 0.2,
            trouble,
            lasts: 30.0,
            workers: [None; 2],
            surge: 1.0,
            cancels: false,
            seed,
        }
    }

    pub fn ends(&self) -> f64 {
        BEGINS + self.lasts
    }

    fn seconds(&self) -> f64 {
        self.ends() + 15.0
    }

    /// Runs it.
    pub fn run(&self, around: Around) -> Seen {
        LocalSet::new().block_on(&Pace::Virtual.runtime(), self.run_out(|a, b| self.build(around, a, b)))
    }

    /// Runs it with something else between the front end and each of its dependencies.
    pub fn run_by(&self, pace: Pace, between: impl Fn(Dependency) -> Client) -> Seen {
        let build = |a: &Dependency, b: &Dependency| serve(self.front(), [a, b].map(|to| between(to.clone())));
        LocalSet::new().block_on(&pace.runtime(), self.run_out(build))
    }

    async fn run_out(&self, build: impl FnOnce(&Dependency, &Dependency) -> Serves) -> Seen {
        let (a, b) = (Dependency::new(self, false), Dependency::new(self, true));
        let serves = build(&a, &b);
        let asked = Rc::new(RefCell::new(Vec::new()));
        let (mut random, mut requests) = (Random::new(self.seed), JoinSet::new());
        let mut next = 0.0;
        loop {
            let surge = if (30.0..40.0).contains(&next) { 1.0 + (self.surge - 1.0) * (1.0 - self.share) } else { 1.0 };
            next += random.exponential(1.0 / (self.rate * surge));
            if next >= self.seconds() {
                break;
            }
            sleep(Duration::from_secs_f64((next - a.now()).max(0.0))).await;
            let to_b = random.uniform() < self.share / surge;
            let (began, serves, clock, asked) = (a.now(), Rc::clone(&serves), a.clone(), Rc::clone(&asked));
            let cancels = self.cancels;
            requests.spawn_local(async move {
                let call = serves(to_b);
                let answer = if cancels {
                    tokio::time::timeout(Duration::from_secs_f64(PATIENCE), call).await.unwrap_or(Err("left".into()))
                } else {
                    call.await
                };
                let took = clock.now() - began;
                asked.borrow_mut().push(Asked { to_b, began, took, good: answer.is_ok() && took <= PATIENCE });
            });
            while requests.try_join_next().is_some() {}
        }
        while requests.join_next().await.is_some() {}
        Seen { front: *self, asked: asked.take(), calls: b.calls() }
    }

    /// The slots, and the line for them.
    fn front(&self) -> Bulkhead<Queue> {
        let wait = Duration::from_secs_f64(PATIENCE);
        let front = Bulkhead::builder("front").limit(self.slots).queue(1 << 20).max_wait(wait).order(Order::Fifo);
        front.build().unwrap()
    }

    fn build(&self, around: Around, a: &Dependency, b: &Dependency) -> Serves {
        let front = self.front();
        let pool = Pool::builder("front");
        let pool = match around {
            Around::PoolByNumber => pool.slots(self.slots),
            _ => pool.slots_of(front.usage()),
        };
        let pool = pool.build().unwrap();
        let clients = [("a", a), ("b", b)].map(|(name, dependency)| {
            let breaker = CircuitBreaker::builder(name).build().unwrap();
            let share = pool.share(name).unwrap();
            let timeout = Timeout::builder(name).attempt(Duration::from_secs(1)).build().unwrap();
            let bounded = ServiceBuilder::new().layer(timeout).service(dependency.clone());
            match around {
                Around::Nothing => boxed(bounded),
                Around::Tower(limit) => {
                    boxed(ServiceBuilder::new().load_shed().concurrency_limit(limit).service(bounded))
                }
                Around::Breaker => boxed(ServiceBuilder::new().layer(breaker.layer()).service(bounded)),
                Around::Pool | Around::PoolByNumber => {
                    boxed(ServiceBuilder::new().layer(guard((share, breaker))).service(bounded))
                }
            }
        });
        serve(front, clients)
    }

    /// Its figures, each the worst of these seeds.
    pub fn worst(self, around: Around, seeds: Range<u64>) -> Figures {
        let figures = seeds.map(|seed| Self { seed, ..self }.run(around).figures());
        figures.reduce(Figures::worse).expect("there is a seed")
    }

    /// The same with something else between the front end and its dependencies.
    pub fn worst_by(self, pace: Pace, seeds: Range<u64>, between: impl Fn(Dependency) -> Client + Sync) -> Figures {
        let figures = pace.each(seeds, |seed| Self { seed, ..self }.run_by(pace, &between).figures());
        figures.into_iter().reduce(Figures::worse).expect("there is a seed")
    }

    /// Which share of B's requests can go well in the time of trouble.
    pub fn possible(&self) -> f64 {
        let (times, hang) = match self.trouble {
            Trouble::Hang => return 0.0,
            Trouble::Fail(share) => return 1.0 - share,
            Trouble::HangPart(share) => (1.0, share),
            Trouble::Slower(times) => (times, 0.0),
            Trouble::Nothing => (1.0, 0.0),
        };
        let mut random = Random::new(4711);
        let draws: Vec<f64> = (0..20_000).map(|_| MEAN * times * USUAL.draw(&mut random)).collect();
        let in_time = draws.iter().filter(|took| **took <= PATIENCE).count() as f64 / draws.len() as f64;
        let held: f64 = draws.iter().map(|took| took.min(PATIENCE)).sum::<f64>() / draws.len() as f64;
        let (in_time, held) = ((1.0 - hang) * in_time, (1.0 - hang) * held + hang * PATIENCE);
        let (to_a, to_b) = (self.rate * (1.0 - self.share), self.rate * self.share);
        in_time * ((self.slots as f64 - to_a * MEAN) / (to_b * held)).clamp(0.0, 1.0)
    }
}

/// Whether a request is for B, and what becomes of it.
type Serves = Rc<dyn Fn(bool) -> Call>;

fn serve(front: Bulkhead<Queue>, clients: [Client; 2]) -> Serves {
    boxed(ServiceBuilder::new().layer(front.layer()).service(service_fn(move |to_b: bool| {
        let (deadline, criticality) = (Deadline::after(Duration::from_secs_f64(PATIENCE)), Criticality::Critical);
        clients[usize::from(to_b)](Ask { deadline, criticality, task: None, attempt: Attempt::FIRST, work: 1.0 })
    })))
}

fn boxed<R, S>(service: S) -> Rc<dyn Fn(R) -> Call>
where
    R: 'static,
    S: Service<R, Response = (), Error = BoxError> + Clone + 'static,
{
    Rc::new(move |request| Box::pin(service.clone().oneshot(request)))
}
