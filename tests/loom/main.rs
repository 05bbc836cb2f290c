//! Every order in which threads can meet in the lock-free parts, tried out.
//!
//! Run as `RUSTFLAGS="--cfg cofferdam_loom" cargo test --release --features rate-limit --test loom`: the crate's atomics and
//! locks are loom's then, its clock stands still, and all others stay what they are.
#![cfg(cofferdam_loom)]
#![allow(missing_docs)]

mod breaker;
mod budget;
mod bulkhead;
mod dependency;
mod drain;
mod events;
mod hedge;
mod keyed;
mod limit;
mod pool;
#[cfg(feature = "rate-limit")]
mod rate;
mod replay;
mod throttle;
mod waiting;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use cofferdam::Instant;
use loom::{
    sync::Notify,
    thread::{self, JoinHandle},
};

/// Explores all orders in which threads are interrupted at most so often.
fn explore(interruptions: usize, model: impl Fn() + Sync + Send + 'static) {
    // Waiting asks for a timer, and a timer for a runtime; nobody drives it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(interruptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

/// Does that on another thread, with a clone.
fn beside<T: Clone + 'static, R: 'static>(shared: &T, does: impl FnOnce(&T) -> R + 'static) -> JoinHandle<R> {
    let shared = shared.clone();
    thread::spawn(move || does(&shared))
}

fn at(millis: u64) -> Instant {
    Instant::ORIGIN.after(Duration::from_millis(millis))
}

/// Who waits for it, and is never woken, is a deadlock, which the model reports.
struct Bell {
    rings: Notify,
    count: AtomicU64,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.rings.notify();
    }
}

/// Polls when woken, and only then.
fn finish<F: Future>(future: F) -> F::Output {
    finish_and_count(future).0
}

/// Returns how often it was woken, too.
fn finish_and_count<F: Future>(future: F) -> (F::Output, u64) {
    let bell = Arc::new(Bell { rings: Notify::new(), count: AtomicU64::new(0) });
    let (mut future, waker) = (pin!(future), Waker::from(Arc::clone(&bell)));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return (output, bell.count.load(Ordering::SeqCst)),
            Poll::Pending => bell.rings.wait(),
        }
    }
}
