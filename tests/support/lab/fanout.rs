//! Calls to many servers at once, and stragglers among them, in virtual time: what hedges are for.

use std::{cell::RefCell, future::poll_fn, ops::Range, pin::pin, rc::Rc, sync::Arc, time::Duration};

use cofferdam::{BoxError, HedgeLayer, Instant};
use futures_util::future::{join_all, select};
use tokio::{
    sync::{Semaphore, oneshot},
    task::{JoinHandle, LocalSet, spawn_local},
    time::{sleep, timeout},
};
use tower::{Layer, Service, ServiceExt, hedge, service_fn};

use super::{Call, random::Random};

fn since(start: Instant) -> Duration {
    Instant::now().since(start)
}

/// Timers tell milliseconds, so all that happens does at one.
fn on_the_grid(time: f64) -> Duration {
    Duration::from_millis((time * 1e3).round().max(1.0) as u64)
}

/// The time below which that share of the calls took.
pub fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() as f64 * share) as usize).min(times.len() - 1)]
}

/// Who sends calls again, and which.
#[derive(Clone, Debug)]
pub enum Hedging {
    Never,
    /// This crate's hedge.
    Ours(HedgeLayer),
    /// Tower's hedge, after what that share of the calls of the last ten seconds took.
    Tower(f32),
    /// After so many milliseconds, whatever it costs.
    After(u64),
    /// In somebody else's way.
    Other(fn(Leaf) -> Client),
    /// Somebody who knows at once which calls straggle, and sends exactly those again, at once: what can be done.
    Oracle,
}

/// Whether a call is to straggle, if that was drawn before it was sent.
type Straggles = Option<bool>;

/// Makes a call.
pub type Client = Rc<dyn Fn() -> Call>;

/// One of the servers, of which nobody knows whether it will straggle.
pub type Leaf = Client;

impl Hedging {
    fn client<S>(self, server: S, straggles: impl Fn() -> bool + 'static) -> Client
    where
        S: Service<Straggles, Response = (), Error = BoxError> + Clone + 'static,
    {
        match self {
            Self::Never => Rc::new(move || Box::pin(server.clone().oneshot(None))),
            Self::Other(way) => way(Rc::new(move || Box::pin(server.clone().oneshot(None)))),
            Self::Ours(hedge) => {
                let hedged = hedge.layer(server);
                Rc::new(move || Box::pin(hedged.clone().oneshot(None)))
            }
            Self::Tower(share) => {
                let hedged = hedge::Hedge::new(server, All, 10, share, Duration::from_secs(10));
                let hedged = Rc::new(RefCell::new(hedged));
                Rc::new(move || {
                    let hedged = Rc::clone(&hedged);
                    Box::pin(async move {
                        poll_fn(|cx| hedged.borrow_mut().poll_ready(cx)).await?;
                        let answer = hedged.borrow_mut().call(None);
                        answer.await
                    })
                })
            }
            Self::After(millis) => Rc::new(move || {
                let server = server.clone();
                Box::pin(async move {
                    let first = pin!(server.clone().oneshot(None));
                    let second = pin!(async {
                        sleep(Duration::from_millis(millis)).await;
                        server.oneshot(None).await
                    });
                    select(first, second).await.factor_first().0
                })
            }),
            Self::Oracle => Rc::new(move || {
                let (server, slow) = (server.clone(), straggles());
                Box::pin(async move {
                    let first = pin!(server.clone().oneshot(Some(slow)));
                    if !slow {
                        return first.await;
                    }
                    select(first, pin!(server.oneshot(None))).await.factor_first().0
                })
            }),
        }
    }
}

/// Every call may be sent again.
#[derive(Clone)]
struct All;

impl hedge::Policy<Straggles> for All {
    fn clone_request(&self, request: &Straggles) -> Option<Straggles> {
        Some(*request)
    }

    fn can_retry(&self, _: &Straggles) -> bool {
        true
    }
}

/// What came of an experiment.
#[derive(Debug)]
pub struct Fanned {
    /// How long each fan-out took: as long as the last of its calls.
    pub times: Vec<Duration>,
    /// Calls that came to servers, for each that was made.
    pub load: f64,
}

/// How long a leaf takes: 2 % more than 10 ms, 0.32 % more than 70 ms, 1 in 100,000 more than 1.8 s; along straight lines
/// between these points, and beyond them, where both are drawn as logarithms. The other 98 % take 4 to 10 ms.
fn leaf(random: &mut Random, known: Straggles) -> f64 {
    const POINTS: [(f64, f64); 3] = [(0.02, 0.010), (0.0032, 0.070), (0.00001, 1.8)];
    let chance = match known {
        Some(true) => POINTS[0].0 * random.uniform(),
        Some(false) => 1.0,
        None => random.uniform(),
    };
    if chance > POINTS[0].0 {
        return 0.004 + 0.006 * random.uniform();
    }
    let piece = if chance > POINTS[1].0 { 0 } else { 1 };
    let ((from, short), (to, long)) = (POINTS[piece], POINTS[piece + 1]);
    let way = (chance / from).ln() / (to / from).ln();
    short * f64::powf(long / short, way)
}

/// S2: so many fan-outs, each to so many leaves, 20 in a second.
pub fn s2(way: Hedging, leaves: usize, fan_outs: usize, seed: u64) -> Fanned {
    run(async move {
        let random = Rc::new(RefCell::new(Random::new(seed)));
        let calls = Rc::new(RefCell::new(0_usize));
        let (draw, count) = (Rc::clone(&random), Rc::clone(&calls));
        let dice = Rc::clone(&random);
        let leaf = service_fn(move |known| {
            *count.borrow_mut() += 1;
            let took = on_the_grid(leaf(&mut draw.borrow_mut(), known));
            async move {
                sleep(took).await;
                Ok::<(), BoxError>(())
            }
        });
        let client = way.client(leaf, move || dice.borrow_mut().uniform() <= 0.02);
        let times = Rc::new(RefCell::new(Vec::with_capacity(fan_outs)));
        let start = Instant::now();
        let mut next = 0.0;
        let mut running = Vec::new();
        for _ in 0..fan_outs {
            next += random.borrow_mut().exponential(0.05);
            sleep(on_the_grid(next).saturating_sub(since(start))).await;
            let (client, times) = (Rc::clone(&client), Rc::clone(&times));
            running.retain(|task: &JoinHandle<()>| !task.is_finished());
            running.push(spawn_local(async move {
                let began = Instant::now();
                join_all((0..leaves).map(|_| client())).await;
                times.borrow_mut().push(since(began));
            }));
        }
        join_all(running).await;
        let load = *calls.borrow() as f64 / (fan_outs * leaves) as f64;
        Fanned { times: times.take(), load }
    })
}

/// A phase of S2b.
#[derive(Debug)]
pub struct Phase {
    /// Calls that were answered within their second.
    pub ok: f64,
    /// How long those took that were.
    pub times: Vec<Duration>,
    /// Calls that came to the server, for each that was made.
    pub load: f64,
}

#[derive(Default)]
struct Tally {
    asked: usize,
    served: usize,
    times: Vec<Duration>,
}

/// S2b: a server of 40 workers and one line, of which 1 % of the calls take 200 ms and the others 8 ms, at such a share of
/// its capacity; from the 20th to the 40th second all of them take so many times as long. What nobody waits for any more is
/// done all the same. The phases are before, meanwhile and after.
pub fn s2b(way: Hedging, load: f64, slower: f64, seed: u64) -> [Phase; 3] {
    const MEAN: f64 = 0.99 * 0.008 + 0.01 * 0.2;
    let phase = |at: Duration| ((at.as_secs_f64() / 20.0) as usize).min(2);
    run(async move {
        let random = Rc::new(RefCell::new(Random::new(seed)));
        let tallies = Rc::new(RefCell::new([(); 3].map(|()| Tally::default())));
        let (workers, start) = (Arc::new(Semaphore::new(40)), Instant::now());
        let (dice, served) = (Rc::clone(&random), Rc::clone(&tallies));
        let straggles = move || dice.borrow_mut().uniform() < 0.01;
        let draw = straggles.clone();
        let server = service_fn(move |known: Straggles| {
            let now = phase(since(start));
            served.borrow_mut()[now].served += 1;
            let slow = known.unwrap_or_else(&draw);
            let took = if slow { 0.2 } else { 0.008 } * if now == 1 { slower } else { 1.0 };
            let (done, answer) = oneshot::channel();
            let workers = Arc::clone(&workers);
            spawn_local(async move {
                let _worker = workers.acquire_owned().await;
                sleep(on_the_grid(took)).await;
                let _ = done.send(());
            });
            async move { answer.await.map_err(BoxError::from) }
        });
        let client = way.client(server, straggles);
        let mut next = 0.0;
        while next < 60.0 {
            next += random.borrow_mut().exponential(MEAN / 40.0 / load);
            sleep(on_the_grid(next).saturating_sub(since(start))).await;
            let (client, tallies) = (Rc::clone(&client), Rc::clone(&tallies));
            spawn_local(async move {
                let began = since(start);
                tallies.borrow_mut()[phase(began)].asked += 1;
                if timeout(Duration::from_secs(1), client()).await.is_ok_and(|answer| answer.is_ok()) {
                    tallies.borrow_mut()[phase(began)].times.push(since(start) - began);
                }
            });
        }
        sleep(Duration::from_secs(2)).await;
        tallies.take().map(|Tally { asked, served, times }| Phase {
            ok: times.len() as f64 / asked as f64,
            times,
            load: served as f64 / asked as f64,
        })
    })
}

/// The figures of S2, each the worst of these seeds.
pub fn s2_worst(
    way: impl Fn() -> Hedging,
    leaves: usize,
    fan_outs: usize,
    seeds: Range<u64>,
) -> Vec<(&'static str, f64)> {
    let mut runs: Vec<_> = seeds.map(|seed| s2(way(), leaves, fan_outs, seed)).collect();
    let mut time = |share| {
        let times = runs.iter_mut().map(|run| quantile(&mut run.times, share));
        times.max().unwrap_or_default().as_secs_f64() * 1e3
    };
    let figures = [("p50 ms", time(0.5)), ("p99 ms", time(0.99)), ("p99.9 ms", time(0.999))];
    let calls = ("calls", runs.iter().map(|run| run.load).fold(0.0, f64::max));
    figures.into_iter().chain([calls]).collect()
}

/// The figures of S2b, each the worst of these seeds.
pub fn s2b_worst(way: impl Fn() -> Hedging, load: f64, slower: f64, seeds: Range<u64>) -> Vec<(&'static str, f64)> {
    let runs: Vec<_> = seeds.map(|seed| s2b(way(), load, slower, seed)).collect();
    let worst = |phase: usize, read: fn(&Phase) -> f64, worse: fn(f64, f64) -> f64| {
        runs.iter().map(|phases| read(&phases[phase])).reduce(worse).unwrap_or(f64::NAN)
    };
    let p999 = |phase: &Phase| quantile(&mut phase.times.clone(), 0.999).as_secs_f64() * 1e3;
    let most_calls = (0..3).map(|phase| worst(phase, |phase| phase.load, f64::max)).fold(0.0, f64::max);
    vec![
        ("ok before", worst(0, |phase| phase.ok, f64::min)),
        ("meanwhile", worst(1, |phase| phase.ok, f64::min)),
        ("after", worst(2, |phase| phase.ok, f64::min)),
        ("p99.9 ms before", worst(0, p999, f64::max)),
        ("calls", most_calls),
    ]
}

fn run<T>(experiment: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, experiment)
}
