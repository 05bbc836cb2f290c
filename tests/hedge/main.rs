//! Hedges on a paused clock.
#![allow(missing_docs)]
#![cfg(feature = "test-util")]

mod attempts;
mod caution;
mod operating;
mod over_http;
mod stack;
#[path = "../support/mod.rs"]
mod support;

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use cofferdam::{
    AdaptiveLimit, Backoff, BoxError, Budget, Bulkhead, Carries, CircuitBreaker, Control, Deadline, Dependency, Event,
    Event as Told, GivenUp, Hedge, HedgeLayer, Instant, Made, Next, Outcome, Policy, Rejected, Retry, Timeout, What,
    Why, observe,
};
use futures_util::FutureExt;
use support::{Letter, ms, rich};
use tower::{Layer, Service, ServiceExt};

/// What an attempt does: it takes that long, and then has this answer.
#[derive(Clone, Copy, Debug)]
enum Do {
    Ok(u64),
    Err(u64),
    /// A timeout of our own further in.
    TimesOut(u64),
    /// One of ours turns it away.
    Reject,
    /// Panics after that time.
    Panic(u64),
    Never,
}

/// When each attempt did what.
type Notes = Arc<Mutex<Vec<(Instant, u32, &'static str)>>>;

/// Does one thing after the other, and notes what becomes of each attempt.
#[derive(Clone)]
struct Script {
    todo: Arc<Mutex<Vec<Do>>>,
    notes: Notes,
    calls: Arc<AtomicU32>,
    ready: bool,
}

struct Running {
    number: u32,
    notes: Notes,
    does: Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>>,
    ended: bool,
}

impl Future for Running {
    type Output = Result<u32, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.does.as_mut().poll(cx);
        self.ended = polled.is_ready();
        polled
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let what = if self.ended { "ended" } else { "dropped" };
        self.notes.lock().unwrap().push((Instant::now(), self.number, what));
    }
}

impl Script {
    fn new(todo: impl IntoIterator<Item = Do>) -> Self {
        let todo = Arc::new(Mutex::new(todo.into_iter().collect()));
        Self { todo, notes: Arc::default(), calls: Arc::default(), ready: false }
    }

    fn also(&self, todo: impl IntoIterator<Item = Do>) {
        self.todo.lock().unwrap().extend(todo);
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    /// When attempts were sent and ended, and which, since then.
    fn notes(&self, since: Instant) -> Vec<(u128, u32, &'static str)> {
        let notes = std::mem::take(&mut *self.notes.lock().unwrap());
        notes.into_iter().map(|(at, number, what)| (at.since(since).as_millis(), number, what)).collect()
    }
}

impl<Request: Send> Service<Request> for Script {
    type Response = u32;
    type Error = BoxError;
    type Future = Running;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Running {
        assert!(std::mem::take(&mut self.ready), "called without having been made ready");
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.notes.lock().unwrap().push((Instant::now(), number, "sent"));
        let mut todo = self.todo.lock().unwrap();
        let does = if todo.is_empty() { Do::Ok(0) } else { todo.remove(0) };
        let does = async move {
            match does {
                Do::Ok(0) => Ok(number),
                Do::Ok(millis) => {
                    tokio::time::sleep(ms(millis)).await;
                    Ok(number)
                }
                Do::Err(millis) => {
                    tokio::time::sleep(ms(millis)).await;
                    Err(format!("failure {number}").into())
                }
                Do::TimesOut(millis) => {
                    tokio::time::sleep(ms(millis)).await;
                    Err(BoxError::carry(Rejected::new(cofferdam::Name::new("inner").unwrap(), Why::TimedOut)))
                }
                Do::Reject => Err(BoxError::carry(Rejected::new(cofferdam::Name::new("inner").unwrap(), Why::Full))),
                Do::Panic(millis) => {
                    tokio::time::sleep(ms(millis)).await;
                    panic!("an attempt panics")
                }
                Do::Never => std::future::pending().await,
            }
        };
        // A clone is made ready by itself.
        self.ready = false;
        Running { number, notes: Arc::clone(&self.notes), does: Box::pin(does), ended: false }
    }
}

fn hedge(delay: u64) -> HedgeLayer {
    Hedge::builder("hedge").fixed_delay(ms(delay)).budget(rich()).build().unwrap()
}

/// Why hedges of that name were not sent, from now on.
fn reasons(name: &'static str) -> impl Fn() -> Vec<GivenUp> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let writes = told.clone();
    let subscription = observe(move |event: &Event| {
        if let What::GivenUp { why, .. } = event.what
            && event.by.as_str() == name
        {
            writes.lock().unwrap().push(why);
        }
    });
    move || {
        let _ = &subscription;
        std::mem::take(&mut *told.lock().unwrap())
    }
}
