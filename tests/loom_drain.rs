//! Every order in which calls, their ends and a drain can meet, tried out.
//!
//! Run as `RUSTFLAGS="--cfg cofferdam_loom" cargo test --release --test loom_drain`. The crate's clock stands still then.
//! A waiter that nobody wakes is a deadlock, which the model reports.
#![cfg(cofferdam_loom)]
#![allow(missing_docs)]

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use cofferdam::{Drain, DrainState, drain::Nobody};
use loom::{sync::Notify, thread};

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

fn drain() -> Drain<Nobody> {
    let builder = Drain::builder("loom").grace(Duration::ZERO).deadline(Duration::from_secs(3600));
    builder.exempt_nobody().build().unwrap()
}

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

/// Polls when woken, and only then. Returns how often that was, too.
fn finish<F: Future>(future: F) -> (F::Output, u64) {
    let bell = Arc::new(Bell { rings: Notify::new(), count: AtomicU64::new(0) });
    let (mut future, waker) = (pin!(future), Waker::from(Arc::clone(&bell)));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return (output, bell.count.load(Ordering::SeqCst)),
            Poll::Pending => bell.rings.wait(),
        }
    }
}

/// A call comes in before the drain closes, and is counted, or it is not let in; and when the drain is over, nobody is
/// inside.
#[test]
fn defect_190_no_call_slips_in_after_the_switch() {
    explore(3, || {
        let (drain, inside) = (drain(), Arc::new(loom::sync::atomic::AtomicU64::new(0)));
        let callers = [(); 2].map(|()| {
            let (drain, inside) = (drain.clone(), Arc::clone(&inside));
            thread::spawn(move || {
                if let Ok(hold) = drain.hold() {
                    inside.fetch_add(1, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(hold);
                    return 1;
                }
                0
            })
        });
        let (drained, _) = finish(drain.begin());
        assert_eq!((inside.load(Ordering::SeqCst), drain.state()), (0, DrainState::Drained));
        let let_in: u64 = callers.map(|caller| caller.join().unwrap()).iter().sum();
        assert!(drained.ended <= let_in && drained.cut == 0);
        assert!(drain.hold().is_err());
    });
}

/// The last of those inside leaves while somebody begins to wait for it.
#[test]
fn the_last_end_wakes_whoever_waits_once() {
    explore(4, || {
        let drain = drain();
        let calls = [drain.hold().unwrap(), drain.hold().unwrap()];
        let finished = drain.begin();
        let ends = calls.map(|call| thread::spawn(move || drop(call)));
        let (drained, wakes) = finish(finished);
        assert_eq!((drained.ended, drained.cut), (2, 0));
        ends.into_iter().for_each(|end| end.join().unwrap());
        assert!(wakes <= 1);
    });
}

/// Two begin at a time, and the one call that was inside leaves.
#[test]
fn two_who_begin_are_told_the_same() {
    explore(2, || {
        let drain = drain();
        let call = drain.hold().unwrap();
        let other = {
            let drain = drain.clone();
            thread::spawn(move || finish(drain.begin()).0)
        };
        let leaves = thread::spawn(move || drop(call));
        let (drained, _) = finish(drain.begin());
        leaves.join().unwrap();
        assert_eq!(other.join().unwrap(), drained);
        assert!(drained.ended <= 1);
    });
}

/// Whoever undoes a drain and whoever is the last to leave do not confuse each other.
#[test]
fn a_drain_that_is_undone_lets_in() {
    explore(3, || {
        let drain = drain();
        let call = drain.hold().unwrap();
        drop(drain.begin());
        let leaves = thread::spawn(move || drop(call));
        assert!(drain.resume());
        assert_eq!(drain.state(), DrainState::Ready);
        leaves.join().unwrap();
        drop(drain.hold().unwrap());
        assert_eq!(finish(drain.begin()).0.cut, 0);
    });
}
