//! Calls to many servers at once, and stragglers among them, in virtual time: what hedges are for.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use cofferdam::{BoxError, HedgeLayer, Instant};
use futures_util::future::join_all;
use tokio::{
    sync::{Semaphore, oneshot},
    task::{JoinHandle, LocalSet, spawn_local},
    time::{sleep, timeout},
};
use tower::{Layer, ServiceExt, service_fn};

use super::random::Random;

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
fn leaf(random: &mut Random) -> f64 {
    const POINTS: [(f64, f64); 3] = [(0.02, 0.010), (0.0032, 0.070), (0.00001, 1.8)];
    let chance = random.uniform();
    if chance > POINTS[0].0 {
        return 0.004 + 0.006 * random.uniform();
    }
    let piece = if chance > POINTS[1].0 { 0 } else { 1 };
    let ((from, short), (to, long)) = (POINTS[piece], POINTS[piece + 1]);
    let way = (chance / from).ln() / (to / from).ln();
    short * f64::powf(long / short, way)
}

/// S2: so many fan-outs, each to a hundred leaves, 20 in a second.
pub fn s2(hedge: Option<HedgeLayer>, fan_outs: usize, seed: u64) -> Fanned {
    const LEAVES: usize = 100;
    run(async move {
        let random = Rc::new(RefCell::new(Random::new(seed)));
        let calls = Rc::new(RefCell::new(0_usize));
        let (draw, count) = (Rc::clone(&random), Rc::clone(&calls));
        let leaf = service_fn(move |()| {
            *count.borrow_mut() += 1;
            let took = on_the_grid(leaf(&mut draw.borrow_mut()));
            async move {
                sleep(took).await;
                Ok::<(), BoxError>(())
            }
        });
        let times = Rc::new(RefCell::new(Vec::with_capacity(fan_outs)));
        let start = Instant::now();
        let mut next = 0.0;
        let mut running = Vec::new();
        for _ in 0..fan_outs {
            next += random.borrow_mut().exponential(0.05);
            sleep(on_the_grid(next).saturating_sub(since(start))).await;
            let (leaf, hedge, times) = (leaf.clone(), hedge.clone(), Rc::clone(&times));
            running.retain(|task: &JoinHandle<()>| !task.is_finished());
            running.push(spawn_local(async move {
                let began = Instant::now();
                match hedge {
                    Some(hedge) => drop(join_all((0..LEAVES).map(|_| hedge.layer(leaf.clone()).oneshot(()))).await),
                    None => drop(join_all((0..LEAVES).map(|_| leaf.clone().oneshot(()))).await),
                }
                times.borrow_mut().push(since(began));
            }));
        }
        join_all(running).await;
        let load = *calls.borrow() as f64 / (fan_outs * LEAVES) as f64;
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
/// its capacity; from the 20th to the 40th second all of them take half as long again. What nobody waits for any more is
/// done all the same. The phases are before, meanwhile and after.
pub fn s2b(hedge: Option<HedgeLayer>, load: f64, seed: u64) -> [Phase; 3] {
    const MEAN: f64 = 0.99 * 0.008 + 0.01 * 0.2;
    let phase = |at: Duration| ((at.as_secs_f64() / 20.0) as usize).min(2);
    run(async move {
        let random = Rc::new(RefCell::new(Random::new(seed)));
        let tallies = Rc::new(RefCell::new([(); 3].map(|()| Tally::default())));
        let (workers, start) = (Arc::new(Semaphore::new(40)), Instant::now());
        let (draw, served) = (Rc::clone(&random), Rc::clone(&tallies));
        let server = service_fn(move |()| {
            let now = phase(since(start));
            served.borrow_mut()[now].served += 1;
            let slow = draw.borrow_mut().uniform() < 0.01;
            let took = if slow { 0.2 } else { 0.008 } * if now == 1 { 1.5 } else { 1.0 };
            let (done, answer) = oneshot::channel();
            let workers = Arc::clone(&workers);
            spawn_local(async move {
                let _worker = workers.acquire_owned().await;
                sleep(on_the_grid(took)).await;
                let _ = done.send(());
            });
            async move { answer.await.map_err(BoxError::from) }
        });
        let mut next = 0.0;
        while next < 60.0 {
            next += random.borrow_mut().exponential(MEAN / 40.0 / load);
            sleep(on_the_grid(next).saturating_sub(since(start))).await;
            let (server, hedge, tallies) = (server.clone(), hedge.clone(), Rc::clone(&tallies));
            spawn_local(async move {
                let began = since(start);
                tallies.borrow_mut()[phase(began)].asked += 1;
                let call = async {
                    match hedge {
                        Some(hedge) => hedge.layer(server).oneshot(()).await,
                        None => server.oneshot(()).await,
                    }
                };
                if timeout(Duration::from_secs(1), call).await.is_ok_and(|answer| answer.is_ok()) {
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

fn run<T>(experiment: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, experiment)
}
