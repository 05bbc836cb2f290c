//! Calls, their ends and a drain.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use cofferdam::{Drain, DrainState, drain::Nobody};
use loom::thread;

use super::{beside, explore, finish_and_count};

fn drain() -> Drain<Nobody> {
    let builder = Drain::builder("loom").grace(Duration::ZERO).deadline(Duration::from_secs(3600));
    builder.exempt_nobody().build().unwrap()
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
        let (drained, _) = finish_and_count(drain.begin());
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
        let (drained, wakes) = finish_and_count(finished);
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
        let other = beside(&drain, move |drain| finish_and_count(drain.begin()).0);
        let leaves = thread::spawn(move || drop(call));
        let (drained, _) = finish_and_count(drain.begin());
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
        assert_eq!(finish_and_count(drain.begin()).0.cut, 0);
    });
}
