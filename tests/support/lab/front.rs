//! S4: a front end with so many slots and two dependencies, one of which gets into trouble.
//!
//! Requests come at random, wait for a slot, first come, first served, and hold it for as long as a call to their dependency
//! takes. Callers give up after a second; nobody tells the front end.

use std::{cell::RefCell, rc::Rc, sync::Arc, task::Poll, time::Duration};

use cofferdam::{
    BoxError, Bulkhead, CircuitBreaker, Criticality, Deadline, Policy, Pool, TaskKey, Timeout, guard, waiting::Order,
};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, LocalSet},
    time::{Instant, sleep},
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use super::{Ask, Call, Distribution, Random};

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
}

/// What stands between the front end and its dependencies, outside a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    Nothing,
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
    /// How many calls B works on at a time, if not on all.
    pub workers: Option<usize>,
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
            workers: None,
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        LocalSet::new().block_on(&runtime, self.run_out(around))
    }

    async fn run_out(&self, around: Around) -> Seen {
        let (a, b) = (Dependency::new(self, false), Dependency::new(self, true));
        let serves = self.build(around, &a, &b);
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
        Seen { front: *self, asked: asked.take(), calls: b.0.calls.take() }
    }

    fn build(&self, around: Around, a: &Dependency, b: &Dependency) -> Rc<dyn Fn(bool) -> Call> {
        let wait = Duration::from_secs_f64(PATIENCE);
        let front = Bulkhead::builder("front").limit(self.slots).queue(1 << 20).max_wait(wait).order(Order::Fifo);
        let front = front.build().unwrap();
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
                Around::Nothing => client(bounded),
                Around::Breaker => client(ServiceBuilder::new().layer(breaker.layer()).service(bounded)),
                Around::Pool | Around::PoolByNumber => {
                    client(ServiceBuilder::new().layer(guard((share, breaker))).service(bounded))
                }
            }
        });
        let serves = ServiceBuilder::new().layer(front.layer()).service(service_fn(move |to_b: bool| {
            let ask = Ask {
                deadline: Deadline::after(wait),
                criticality: Criticality::Critical,
                task: TaskKey::from_bits(0),
                cost: 1.0,
            };
            clients[usize::from(to_b)](ask)
        }));
        Rc::new(move |to_b| Box::pin(serves.clone().oneshot(to_b)))
    }
}

fn client<S>(service: S) -> Rc<dyn Fn(Ask) -> Call>
where
    S: Service<Ask, Response = (), Error = BoxError> + Clone + 'static,
{
    Rc::new(move |ask| Box::pin(service.clone().oneshot(ask)))
}

/// A or B.
#[derive(Clone)]
struct Dependency(Rc<Inner>);

struct Inner {
    front: Front,
    began: Instant,
    is_b: bool,
    random: RefCell<Random>,
    workers: Arc<Semaphore>,
    calls: RefCell<Vec<f64>>,
}

impl Dependency {
    fn new(front: &Front, is_b: bool) -> Self {
        let workers = front.workers.filter(|_| is_b).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Rc::new(Inner {
            front: *front,
            began: Instant::now(),
            is_b,
            random: RefCell::new(Random::new(front.seed ^ 0x0DEB ^ u64::from(is_b))),
            workers: Arc::new(Semaphore::new(workers)),
            calls: RefCell::default(),
        }))
    }

    fn now(&self) -> f64 {
        self.0.began.elapsed().as_secs_f64()
    }

    fn trouble(&self) -> Trouble {
        let bad = self.0.is_b && (BEGINS..self.0.front.ends()).contains(&self.now());
        if bad { self.0.front.trouble } else { Trouble::Nothing }
    }
}

impl Service<Ask> for Dependency {
    type Response = ();
    type Error = BoxError;
    type Future = Call;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Call {
        self.0.calls.borrow_mut().push(self.now());
        let chance = self.0.random.borrow_mut().uniform();
        let usual = MEAN * ask.cost * USUAL.draw(&mut self.0.random.borrow_mut());
        let work = match self.trouble() {
            Trouble::Hang => return Box::pin(std::future::pending()),
            Trouble::Fail(share) if chance < share => return Box::pin(std::future::ready(Err("it failed".into()))),
            Trouble::Slower(times) => usual * times,
            Trouble::Fail(_) | Trouble::Nothing => usual,
        };
        let workers = Arc::clone(&self.0.workers);
        // Work that nobody waits for any more is done all the same.
        let done = tokio::task::spawn_local(async move {
            let _worker = workers.acquire_owned().await;
            sleep(Duration::from_secs_f64(work)).await;
        });
        Box::pin(async move { Ok(done.await?) })
    }
}

struct Asked {
    to_b: bool,
    began: f64,
    took: f64,
    good: bool,
}

/// What was seen.
pub struct Seen {
    front: Front,
    asked: Vec<Asked>,
    /// When B was called.
    calls: Vec<f64>,
}

impl Seen {
    fn share(&self, to_b: bool, from: f64, to: f64, of: impl Fn(&Asked) -> bool) -> f64 {
        let asked = || self.asked.iter().filter(|asked| asked.to_b == to_b && asked.began >= from && asked.began < to);
        asked().filter(|asked| of(asked)).count() as f64 / asked().count().max(1) as f64
    }

    /// The share of A's requests that were lost between those moments.
    pub fn lost(&self, from: f64, to: f64) -> f64 {
        self.share(false, from, to, |asked| !asked.good)
    }

    /// The share of A's requests that were lost in the time of trouble.
    pub fn a_lost(&self) -> f64 {
        self.lost(BEGINS, self.front.ends())
    }

    /// The share of A's requests that took longer than 100 ms.
    pub fn a_late(&self) -> f64 {
        self.share(false, BEGINS, self.front.ends(), |asked| !asked.good || asked.took > 0.1)
    }

    /// The share of all requests that were lost before there was any trouble.
    pub fn lost_before(&self) -> f64 {
        let lost = |to_b| self.share(to_b, 2.0, BEGINS, |asked| !asked.good);
        lost(false).max(lost(true))
    }

    /// The share of B's requests that went well in the time of trouble.
    pub fn b_good(&self) -> f64 {
        self.share(true, BEGINS, self.front.ends(), |asked| asked.good)
    }

    /// The same, of what was possible: as if B had all slots that A does not need.
    pub fn b_of_possible(&self) -> f64 {
        (self.b_good() / self.front.possible()).min(1.0)
    }

    /// The share of B's requests that were answered within 5 ms, well or not.
    pub fn b_at_once(&self) -> f64 {
        self.share(true, BEGINS, self.front.ends(), |asked| asked.took < 0.005)
    }

    /// Calls to B a second, between those moments.
    pub fn calls(&self, from: f64, to: f64) -> f64 {
        self.calls.iter().filter(|at| (from..to).contains(*at)).count() as f64 / (to - from)
    }

    /// How long after the trouble B's requests go well again: the first half second of which 95 % of 100 do, and all that follow.
    pub fn b_back(&self) -> f64 {
        let ends = self.front.ends();
        let mut back = 0.0;
        for bucket in 0..20 {
            let from = ends + 0.5 * f64::from(bucket);
            if self.share(true, from, from + 0.5, |asked| asked.good) < 0.95 {
                back = 0.5 * f64::from(bucket + 1);
            }
        }
        back
    }
}

impl Front {
    /// Which share of B's requests can go well in the time of trouble.
    pub fn possible(&self) -> f64 {
        let times = match self.trouble {
            Trouble::Hang => return 0.0,
            Trouble::Fail(share) => return 1.0 - share,
            Trouble::Slower(times) => times,
            Trouble::Nothing => 1.0,
        };
        let mut random = Random::new(4711);
        let draws: Vec<f64> = (0..20_000).map(|_| MEAN * times * USUAL.draw(&mut random)).collect();
        let in_time = draws.iter().filter(|took| **took <= PATIENCE).count() as f64 / draws.len() as f64;
        let held: f64 = draws.iter().map(|took| took.min(PATIENCE)).sum::<f64>() / draws.len() as f64;
        let (to_a, to_b) = (self.rate * (1.0 - self.share), self.rate * self.share);
        in_time * ((self.slots as f64 - to_a * MEAN) / (to_b * held)).clamp(0.0, 1.0)
    }
}

/// The troubles of the matrix.
pub const TROUBLES: [Trouble; 6] = [
    Trouble::Hang,
    Trouble::Slower(4.0),
    Trouble::Slower(10.0),
    Trouble::Slower(25.0),
    Trouble::Slower(50.0),
    Trouble::Fail(0.5),
];

/// All the matrix: requests a second, the part of B, and what becomes of it.
pub fn matrix() -> Vec<Front> {
    let loads = [25.0, 100.0, 500.0, 1000.0, 1500.0].into_iter().flat_map(|rate| [0.2, 0.5].map(|share| (rate, share)));
    let cells = loads.flat_map(|(rate, share)| TROUBLES.map(|trouble| (rate, share, trouble)));
    cells.map(|(rate, share, trouble)| Front { rate, share, ..Front::s4(trouble, 0) }).collect()
}
