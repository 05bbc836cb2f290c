//! The slots of a bulkhead.

use std::num::NonZeroU32;

use cofferdam::{Admit, Bulkhead, Ended, Outcome, Policy};
use loom::thread;

use super::{at, explore};

type Boxed = std::pin::Pin<Box<dyn Future<Output = Result<(), ()>> + Send>>;

/// Three callers for two slots: never more than two are in, and when all are gone, nothing is taken.
#[test]
fn a_bulkhead_is_never_over_its_limit_and_loses_no_slot() {
    explore(3, || {
        let slots = Bulkhead::builder("loom").limit(2).build().unwrap();
        let caller = |slots: Bulkhead| {
            move || {
                let admitted = Admit::admit(&slots, &(), at(0)).is_ok();
                assert!(slots.in_flight() <= 2);
                if admitted {
                    slots.settle((), &Ended::new(Outcome::Success, at(0), at(0)));
                }
                admitted
            }
        };
        let others = [thread::spawn(caller(slots.clone())), thread::spawn(caller(slots.clone()))];
        let mine = caller(slots.clone())();
        let admitted = others.map(|other| other.join().unwrap()).into_iter().chain([mine]).filter(|in_| *in_).count();
        assert!(admitted >= 2, "two found a slot, whatever the third did");
        assert_eq!(slots.in_flight(), 0);
    });
}

/// As many callers as slots: nobody is ever turned away.
#[test]
fn a_bulkhead_turns_nobody_away_while_a_slot_is_free() {
    explore(3, || {
        let slots = Bulkhead::builder("loom").limit(2).build().unwrap();
        let caller = |slots: Bulkhead| {
            move || {
                for _ in 0..2 {
                    assert!(Admit::admit(&slots, &(), at(0)).is_ok(), "there is a slot for each");
                    slots.undo((), at(0));
                }
            }
        };
        let other = thread::spawn(caller(slots.clone()));
        caller(slots.clone())();
        other.join().unwrap();
        assert_eq!(slots.in_flight(), 0);
    });
}

/// The limit goes from two to one while two come and go: whoever comes after that finds the new limit in force, and no
/// slot is lost or won by it.
#[test]
fn a_bulkhead_keeps_its_count_while_its_limit_changes() {
    explore(3, || {
        let slots = Bulkhead::builder("loom").limit(2).build().unwrap();
        let weighted = slots.clone().weighted(|weight: &u32| NonZeroU32::new(*weight).expect("something"));
        let caller = |weight: u32| {
            let weighted = weighted.clone();
            move || {
                if let Ok(taken) = weighted.admit(&weight, at(0)) {
                    assert!(taken <= weight);
                    weighted.settle(taken, &Ended::new(Outcome::Success, at(0), at(0)));
                }
            }
        };
        let others = [thread::spawn(caller(1)), thread::spawn(caller(2))];
        slots.resize(1).unwrap();
        let mine = Admit::admit(&slots, &(), at(0)).is_ok();
        if mine {
            assert!(Admit::admit(&slots, &(), at(0)).is_err(), "one slot is left, and it is taken");
            slots.undo((), at(0));
        }
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!((slots.limit(), slots.in_flight()), (1, 0));
    });
}

/// Calls that one thread begins and another one ends or drops: each settles once, wherever that happens.
#[test]
fn a_ticket_settles_once_wherever_it_ends() {
    explore(3, || {
        let slots = Bulkhead::builder("loom").limit(3).build().unwrap();
        let guard = slots.clone().layer();
        let run = |call: cofferdam::Call<_, Bulkhead, cofferdam::ByResult>| {
            thread::spawn(move || {
                let mut call = std::pin::pin!(call);
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                let _ = std::future::Future::poll(call.as_mut(), &mut cx);
            })
        };
        let ends = run(guard.call(&(), || Box::pin(async { Ok::<(), ()>(()) }) as Boxed));
        let dropped = run(guard.call(&(), || Box::pin(std::future::pending::<Result<(), ()>>()) as Boxed));
        let own = guard.call(&(), || Box::pin(std::future::pending::<Result<(), ()>>()) as Boxed);
        assert!(slots.in_flight() >= 1);
        drop(own);
        ends.join().unwrap();
        dropped.join().unwrap();
        assert_eq!(slots.in_flight(), 0);
    });
}
