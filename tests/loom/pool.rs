//! A pool.

use cofferdam::{Admit, Ended, Instant, Outcome, Policy, Pool, PoolShare, PoolState, Why};
use loom::thread;

use super::{at, explore};

fn pool(slots: usize, shares: usize) -> Pool {
    Pool::builder("loom").slots(slots).max_shares(shares).build().unwrap()
}

/// One call, from the first moment on.
fn call(share: &PoolShare, now: Instant, outcome: Option<Outcome>) {
    let token = share.admit(&(), now).unwrap();
    assert!((1..=2).contains(&share.in_use()));
    match outcome {
        Some(outcome) => share.settle(token, &Ended::new(outcome, now, now)),
        None => share.undo(token, now),
    }
}

#[test]
fn every_slot_comes_back_however_calls_end_and_whoever_looks() {
    explore(2, || {
        let pool = pool(8, 1);
        let share = pool.share("a").unwrap();
        let other = share.clone();
        let thread = thread::spawn(move || {
            call(&other, at(50), Some(Outcome::Success));
            call(&other, at(70), None);
        });
        call(&share, at(60), Some(Outcome::Failure));
        thread.join().unwrap();
        assert_eq!((share.in_use(), pool.in_use()), (0, 0));
    });
}

#[test]
fn a_share_that_goes_while_others_look_and_come_is_gone() {
    explore(2, || {
        let pool = pool(8, 2);
        let (kept, given_up) = (pool.share("a").unwrap(), pool.share("b").unwrap());
        let thread = thread::spawn(move || {
            call(&given_up, at(50), Some(Outcome::Success));
            drop(given_up);
        });
        call(&kept, at(60), Some(Outcome::Success));
        // There is room for it before or after, and it is whole.
        let new = pool.share("c");
        thread.join().unwrap();
        let new = new.unwrap_or_else(|_| pool.share("c").unwrap());
        assert_eq!((new.in_use(), pool.shares()), (0, 2));
    });
}

/// Two threads of a sick dependency are refused at the same time: it is told once.
#[test]
fn both_are_refused_and_it_is_contained() {
    explore(2, || {
        let pool = pool(2, 2);
        let (_well, sick) = (pool.share("a").unwrap(), pool.share("b").unwrap());
        for _ in 0..20 {
            let token = sick.admit(&(), at(1)).unwrap();
            sick.settle(token, &Ended::new(Outcome::Success, at(1), at(2)));
        }
        // Its own part is one of the two, the other's is the other, and it is silent.
        let held = sick.admit(&(), at(3)).unwrap();
        let other = sick.clone();
        let refused = |share: &PoolShare| share.admit(&(), at(100)).map(drop).unwrap_err().why();
        let thread = thread::spawn(move || refused(&other));
        assert_eq!(refused(&sick), Why::Reserved);
        assert_eq!(thread.join().unwrap(), Why::Reserved);
        assert_eq!((sick.state(), sick.in_use()), (PoolState::Contained, 1));
        sick.undo(held, at(101));
    });
}
