//! S3c: a cache in front of a database. It is emptied, and all that it held back comes through.

use std::{cell::RefCell, collections::HashMap, future::ready, rc::Rc, time::Duration};

use cofferdam::{BoxError, Cause, Fallback, Instant, TaskKey};
use tower::{ServiceBuilder, service_fn};

use super::{
    Ask, Experiment, Report,
    attempts::{Trial, least, most, stall},
    stacks::{Client, client},
};

/// Each is asked for once a second, and kept for nine: nine of ten find it.
const KEYS: u64 = 2_400;
const KEPT: Duration = Duration::from_secs(9);

/// When it is emptied.
const FLUSH: f64 = 10.0;

/// What is known, and until when.
struct Cache {
    known: RefCell<HashMap<u64, Instant>>,
    flush: Instant,
    has_been_flushed: RefCell<bool>,
}

impl Cache {
    /// As it is when it has been in use for long.
    fn warm() -> Self {
        let now = Instant::now();
        let left = |key| KEPT * (key as u32 * 10 / 9) / KEYS as u32;
        let known = (0..KEYS * 9 / 10).map(|key| (key, now.after(left(key)))).collect();
        Self {
            known: RefCell::new(known),
            flush: now.after(Duration::from_secs_f64(FLUSH)),
            has_been_flushed: RefCell::new(false),
        }
    }

    fn key(ask: &Ask) -> u64 {
        ask.task.map_or(0, TaskKey::to_bits) % KEYS
    }

    fn find(&self, ask: &Ask) -> Result<(), BoxError> {
        let now = Instant::now();
        if now >= self.flush && !self.has_been_flushed.replace(true) {
            self.known.borrow_mut().clear();
        }
        let is_known = self.known.borrow().get(&Self::key(ask)).is_some_and(|until| now < *until);
        if is_known { Ok(()) } else { Err("it is not known".into()) }
    }

    fn learn(&self, ask: &Ask) {
        self.known.borrow_mut().insert(Self::key(ask), Instant::now().after(KEPT));
    }
}

/// What is not in the cache comes from the database, and is in the cache from then on.
fn cached(database: Client) -> Client {
    let cache = Rc::new(Cache::warm());
    let cached = Rc::clone(&cache);
    let database = service_fn(move |ask: Ask| {
        let (call, cache) = (database(ask), Rc::clone(&cache));
        async move {
            let answer = call.await;
            if answer.is_ok() {
                cache.learn(&ask);
            }
            answer
        }
    });
    let fallback = Fallback::service(|ask: &Ask| *ask, database).on([Cause::Failure]);
    client(ServiceBuilder::new().layer(fallback).service(service_fn(move |ask: Ask| ready(cached.find(&ask)))))
}

/// S3c, with a database like the server of S3.
pub fn stampedes() -> Vec<Trial> {
    let figures = [
        most("recovery s", |report, _| report.recovery(FLUSH)),
        most("busiest second / C", |report, experiment| {
            busiest(report, FLUSH, experiment.seconds - 2.0) / experiment.capacity()
        }),
        least("before", |report, _| report.success(None, 0.0, FLUSH - 1.0)),
        least("first 5 s", |report, _| report.success(None, FLUSH, FLUSH + 5.0)),
        least("last 20 s", |report, experiment| {
            report.success(None, experiment.seconds - 22.0, experiment.seconds - 2.0)
        }),
    ];
    let make = |seed| Experiment {
        changes: Vec::new(),
        patience: 1.0,
        load: vec![(0.0, KEYS as f64)],
        seconds: FLUSH + 55.0,
        ..stall(0.7, 10.0, 1, seed)
    };
    vec![Trial::new("S3c", make, &figures).by(cached)]
}

/// The most calls that came in any second.
fn busiest(report: &Report, from: f64, to: f64) -> f64 {
    let starts = (0..).map(|tenth| from + f64::from(tenth) * 0.1).take_while(|start| start + 1.0 <= to);
    starts.map(|start| report.calls(start, start + 1.0)).fold(0.0, f64::max)
}
