//! The server: some workers, first come, first served, and whatever is begun is done, whether anybody waits for it or not.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    future::{Future, pending},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use cofferdam::{BoxError, Instant};
use tower::Service;

use super::Ask;

/// When each worker is free again. Work that comes goes to the first of them, so its end is known from the beginning: no
/// thread has to be woken for the next piece of work to begin, and a late timer costs the server nothing of its capacity.
struct State {
    free: BinaryHeap<Reverse<Instant>>,
    slower: u32,
    hung: bool,
    failing: bool,
}

#[derive(Clone)]
pub struct Server(Arc<Mutex<State>>);

impl Server {
    pub fn new(workers: usize) -> Self {
        let free = (0..workers).map(|_| Reverse(Instant::now())).collect();
        Self(Arc::new(Mutex::new(State { free, slower: 1, hung: false, failing: false })))
    }

    /// What comes is never answered.
    pub fn hang(&self, hung: bool) {
        self.0.lock().unwrap().hung = hung;
    }

    /// All but a few fail at once.
    pub fn fail(&self, failing: bool) {
        self.0.lock().unwrap().failing = failing;
    }

    /// Work takes so many times as long, with so many times the workers: as much is done as before.
    pub fn slow_down(&self, factor: u32) {
        let mut state = self.0.lock().unwrap();
        state.slower = factor;
        let more = state.free.len() * (factor as usize - 1);
        state.free.extend((0..more).map(|_| Reverse(Instant::now())));
    }
}

impl State {
    /// When that much work, begun as soon as there is a worker for it, will be done.
    fn take(&mut self, work: Duration, now: Instant) -> Instant {
        let free = self.free.pop().map_or(now, |Reverse(free)| free.max(now));
        let done = free.after(work * self.slower);
        self.free.push(Reverse(done));
        done
    }
}

impl Service<Ask> for Server {
    type Response = ();
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let mut state = self.0.lock().unwrap();
        // One in twenty is well even then, so that something is learned.
        let fails = state.failing && !ask.work.subsec_nanos().is_multiple_of(20);
        if state.hung {
            return Box::pin(pending());
        }
        if fails {
            return Box::pin(async { Err("it failed".into()) });
        }
        let now = Instant::now();
        let done = state.take(ask.work, now);
        Box::pin(async move {
            tokio::time::sleep(done.since(now)).await;
            Ok(())
        })
    }
}
