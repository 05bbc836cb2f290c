//! S4: a front end with so many slots and two dependencies, one of which gets into trouble.
//!
//! Requests come at random, wait for a slot, first come, first served, and hold it for as long as a call to their dependency
//! takes. Callers give up after a second; nobody tells the front end.

use std::{cell::RefCell, ops::Range, rc::Rc, sync::Arc, task::Poll, time::Duration};

use cofferdam::{
    Attempt, BoxError, Bulkhead, CircuitBreaker, Criticality, Deadline, Instant, Policy, Pool, Timeout, guard,
    waiting::Order,
};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, LocalSet},
    time::sleep,
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
        let serves = ServiceBuilder::new().layer(front.layer()).service(service_fn(move |to_b: bool| {
            let (deadline, criticality) = (Deadline::after(wait), Criticality::Critical);
            clients[usize::from(to_b)](Ask { deadline, criticality, task: None, attempt: Attempt::FIRST, work: 1.0 })
        }));
        boxed(serves)
    }
}

fn boxed<R, S>(service: S) -> Rc<dyn Fn(R) -> Call>
where
    R: 'static,
    S: Service<R, Response = (), Error = BoxError> + Clone + 'static,
{
    Rc::new(move |request| Box::pin(service.clone().oneshot(request)))
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
        let workers = front.workers[usize::from(is_b)].unwrap_or(Semaphore::MAX_PERMITS);
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
        Instant::now().since(self.0.began).as_secs_f64()
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
        let usual = MEAN * ask.work * USUAL.draw(&mut self.0.random.borrow_mut());
        let work = match self.trouble() {
            Trouble::Hang => return Box::pin(std::future::pending()),
            Trouble::HangPart(share) if chance < share => return Box::pin(std::future::pending()),
            Trouble::Fail(share) if chance < share => return Box::pin(std::future::ready(Err("it failed".into()))),
            Trouble::Slower(times) => usual * times,
            Trouble::Fail(_) | Trouble::HangPart(_) | Trouble::Nothing => usual,
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

/// What is looked at. Shares are of the requests that came in the time of trouble.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Of all requests, before there was any trouble: the share that was lost.
    pub lost_before: f64,
    pub a_lost: f64,
    /// Lost, or answered after more than 100 ms.
    pub a_late: f64,
    pub b_good: f64,
    /// The same, as a share of what is possible where B has all the slots that A does not need.
    pub b_of_possible: f64,
    /// Answered within 5 ms, well or not.
    pub b_at_once: f64,
    /// Calls to B a second, in all the time of trouble and after its first two seconds.
    pub calls: f64,
    pub calls_once_known: f64,
    /// After how many seconds B's requests go well again, and all that follow: to half a second.
    pub b_back: f64,
    /// After how many seconds the first five begin in which 95 % of B's requests go well: to half a second.
    pub b_recovery: f64,
}

impl Figures {
    /// The worse of both, one by one.
    fn worse(self, other: Self) -> Self {
        Self {
            lost_before: self.lost_before.max(other.lost_before),
            a_lost: self.a_lost.max(other.a_lost),
            a_late: self.a_late.max(other.a_late),
            b_good: self.b_good.min(other.b_good),
            b_of_possible: self.b_of_possible.min(other.b_of_possible),
            b_at_once: self.b_at_once.min(other.b_at_once),
            calls: self.calls.max(other.calls),
            calls_once_known: self.calls_once_known.max(other.calls_once_known),
            b_back: self.b_back.max(other.b_back),
            b_recovery: self.b_recovery.max(other.b_recovery),
        }
    }
}

impl Seen {
    pub fn figures(&self) -> Figures {
        let (from, to) = (BEGINS, self.front.ends());
        let b_good = self.share(true, from, to, |asked| asked.good);
        let lost = |to_b| self.share(to_b, 2.0, from, |asked| !asked.good);
        Figures {
            lost_before: lost(false).max(lost(true)),
            a_lost: self.share(false, from, to, |asked| !asked.good),
            a_late: self.share(false, from, to, |asked| !asked.good || asked.took > 0.1),
            b_good,
            b_of_possible: match self.front.possible() {
                possible if possible > 0.0 => (b_good / possible).min(1.0),
                _ => 1.0,
            },
            b_at_once: self.share(true, from, to, |asked| asked.took < 0.005),
            calls: self.calls(from, to),
            calls_once_known: self.calls((from + 2.0).min(to), to),
            b_back: self.b_back(),
            b_recovery: self.b_recovery(),
        }
    }

    fn share(&self, to_b: bool, from: f64, to: f64, of: impl Fn(&Asked) -> bool) -> f64 {
        let asked = || self.asked.iter().filter(|asked| asked.to_b == to_b && asked.began >= from && asked.began < to);
        asked().filter(|asked| of(asked)).count() as f64 / asked().count().max(1) as f64
    }

    fn calls(&self, from: f64, to: f64) -> f64 {
        self.calls.iter().filter(|at| (from..to).contains(*at)).count() as f64 / (to - from).max(0.1)
    }

    fn b_back(&self) -> f64 {
        let buckets = (0..20).map(f64::from);
        let bad = buckets.filter(|bucket| {
            let from = self.front.ends() + bucket / 2.0;
            self.share(true, from, from + 0.5, |asked| !asked.good) > 0.05
        });
        bad.max_by(f64::total_cmp).map_or(0.0, |bucket| (bucket + 1.0) / 2.0)
    }

    fn b_recovery(&self) -> f64 {
        let starts = (0..20).map(|half| f64::from(half) / 2.0);
        let is_well = |start: &f64| {
            let from = self.front.ends() + start;
            self.share(true, from, from + 5.0, |asked| asked.good) >= 0.95
        };
        starts.into_iter().find(is_well).unwrap_or(f64::INFINITY)
    }
}

impl Front {
    /// Its figures, each the worst of these seeds.
    pub fn worst(self, around: Around, seeds: Range<u64>) -> Figures {
        let figures = seeds.map(|seed| Self { seed, ..self }.run(around).figures());
        figures.reduce(Figures::worse).expect("there is a seed")
    }

    /// What it is called in tables.
    pub fn name(&self) -> String {
        let trouble = match self.trouble {
            Trouble::Nothing => "well".to_owned(),
            Trouble::Hang => "hang".to_owned(),
            Trouble::Slower(times) => format!("{times}x"),
            Trouble::Fail(share) => format!("{} % fail", share * 100.0),
            Trouble::HangPart(share) => format!("{} % hang", share * 100.0),
        };
        format!("S4 {}/s {} % {trouble}", self.rate, self.share * 100.0)
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

/// All the matrix: requests a second, the part of B, and what becomes of it.
pub fn matrix() -> Vec<Front> {
    let troubles = [4.0, 10.0, 25.0, 50.0].map(Trouble::Slower);
    let troubles = [Trouble::Hang].into_iter().chain(troubles).chain([Trouble::Fail(0.5)]);
    let loads = [25.0, 100.0, 500.0, 1000.0, 1500.0].into_iter().flat_map(|rate| [0.2, 0.5].map(|share| (rate, share)));
    let cells = loads.flat_map(|load| troubles.clone().map(move |trouble| (load, trouble)));
    cells.map(|((rate, share), trouble)| Front { rate, share, ..Front::s4(trouble, 0) }).collect()
}

/// Besides these: busy pools, small slowdowns, surges, other sizes, and what stays slow for ever.
pub fn others() -> Vec<(&'static str, Front)> {
    let at = |rate, trouble| Front { rate, share: 0.5, ..Front::s4(trouble, 0) };
    let well = |rate| at(rate, Trouble::Nothing);
    let mut all = vec![
        ("pool at 93 %", well(2976.0)),
        ("pool at 98 %", well(3136.0)),
        ("B at 93 %", Front { workers: [None, Some(10)], ..well(930.0) }),
        ("A, B at 93 %", Front { workers: [Some(10); 2], ..well(930.0) }),
        ("B at 98 %", Front { workers: [None, Some(10)], ..well(980.0) }),
        ("A at 93 %", Front { workers: [Some(10), None], ..at(930.0, Trouble::Slower(25.0)) }),
        ("small", at(2250.0, Trouble::Slower(2.0))),
        ("small", at(2500.0, Trouble::Slower(1.8))),
        ("A x4 at 30 s", Front { surge: 4.0, ..at(600.0, Trouble::Hang) }),
        ("A x4 at 30 s", Front { surge: 4.0, ..at(600.0, Trouble::Slower(25.0)) }),
        ("A x4 at 30 s", Front { surge: 4.0, ..at(1000.0, Trouble::Slower(10.0)) }),
        ("for ever", Front { lasts: 400.0, ..at(1000.0, Trouble::Slower(25.0)) }),
        ("for ever", Front { lasts: 400.0, ..at(1500.0, Trouble::Slower(4.0)) }),
        ("part", Front { share: 0.2, ..at(500.0, Trouble::HangPart(0.5)) }),
        ("part", at(1000.0, Trouble::HangPart(0.5))),
        ("part", at(1000.0, Trouble::HangPart(0.67))),
        ("part", at(1000.0, Trouble::HangPart(0.9))),
        ("part", at(500.0, Trouble::Fail(0.2))),
        ("part", at(500.0, Trouble::Fail(0.8))),
        ("all", at(25.0, Trouble::Fail(1.0))),
        ("all", at(500.0, Trouble::Fail(1.0))),
        ("callers cancel", Front { cancels: true, ..at(1000.0, Trouble::Hang) }),
        ("callers cancel", Front { cancels: true, ..at(1000.0, Trouble::Slower(25.0)) }),
    ];
    for (name, slots, rate) in [("16 slots", 16, 250.0), ("256 slots", 256, 4000.0), ("512 slots", 512, 1000.0)] {
        for trouble in [Trouble::Hang, Trouble::Slower(10.0), Trouble::Slower(25.0)] {
            all.push((name, Front { slots, ..at(rate, trouble) }));
        }
    }
    all
}
