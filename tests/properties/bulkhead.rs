//! The bulkhead against a naive model of it, and under many threads.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use cofferdam::{Admit, Bulkhead, Ended, Instant, Outcome, Policy, Why};
use proptest::{prelude::*, sample::select};

use super::{THREADS, crowd};

/// The largest limit.
const LARGEST: u32 = u32::MAX >> 1;

const NOW: Instant = Instant::ORIGIN;

fn ended(outcome: Outcome) -> Ended {
    Ended::new(outcome, NOW, NOW)
}

fn bulkhead(limit: u32) -> Bulkhead {
    Bulkhead::builder("properties").limit(limit as usize).build().expect("a limit that may be")
}

#[derive(Clone, Debug)]
enum Op {
    /// By the bulkhead itself: one slot.
    Admit,
    /// By a handle with weights: so many.
    AdmitWeighted(u32),
    Settle(usize, Outcome),
    Undo(usize),
    Resize(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let weight = prop_oneof![6 => 1..6_u32, 1 => select(vec![100, u32::MAX - 1, u32::MAX])];
    let outcomes = vec![Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned];
    let limit =
        prop_oneof![6 => 0..9_usize, 1 => select(vec![100, LARGEST as usize, LARGEST as usize + 1, usize::MAX])];
    prop_oneof![
        4 => Just(Op::Admit),
        4 => weight.prop_map(Op::AdmitWeighted),
        4 => (any::<usize>(), select(outcomes)).prop_map(|(which, outcome)| Op::Settle(which, outcome)),
        1 => any::<usize>().prop_map(Op::Undo),
        1 => limit.prop_map(Op::Resize),
    ]
}

/// What a call holds: by which handle it came in, and how much it took.
enum Held {
    Plain,
    Weighted(u32),
}

impl Held {
    fn slots(&self) -> u64 {
        match self {
            Self::Plain => 1,
            Self::Weighted(taken) => (*taken).into(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A call comes in exactly when there is room for it or it would be alone, and takes what it weighs.
    /// What it took it gives back, whatever the limit has become.
    #[test]
    fn a_call_comes_in_exactly_when_there_is_room(
        limit in prop_oneof![6 => 1..9_u32, 1 => select(vec![LARGEST - 1, LARGEST])],
        ops in prop::collection::vec(op(), 0..200),
    ) {
        let slots = bulkhead(limit);
        let weighted = slots.clone().weighted(crate::support::weight_of);
        let (mut limit, mut held) = (u64::from(limit), Vec::<Held>::new());
        for op in ops {
            let taken: u64 = held.iter().map(Held::slots).sum();
            let room = |weight: u32| taken == 0 || taken + u64::from(weight) <= limit;
            match op {
                Op::Admit => match Admit::admit(&slots, &(), NOW) {
                    Ok(()) => {
                        prop_assert!(room(1));
                        held.push(Held::Plain);
                    }
                    Err(rejected) => {
                        prop_assert!(!room(1));
                        prop_assert_eq!((rejected.why(), rejected.retry_after()), (Why::Full, None));
                    }
                },
                Op::AdmitWeighted(weight) => match weighted.admit(&weight, NOW) {
                    Ok(taken) => {
                        prop_assert!(room(weight));
                        prop_assert_eq!(taken, weight);
                        held.push(Held::Weighted(taken));
                    }
                    Err(_) => prop_assert!(!room(weight)),
                },
                Op::Settle(which, outcome) if !held.is_empty() => match held.swap_remove(which % held.len()) {
                    Held::Plain => slots.settle((), &ended(outcome)),
                    Held::Weighted(taken) => weighted.settle(taken, &ended(outcome)),
                },
                Op::Undo(which) if !held.is_empty() => match held.swap_remove(which % held.len()) {
                    Held::Plain => slots.undo((), NOW),
                    Held::Weighted(taken) => weighted.undo(taken, NOW),
                },
                Op::Settle(..) | Op::Undo(_) => {}
                Op::Resize(new) => match slots.resize(new) {
                    Ok(()) => {
                        prop_assert!((1..=LARGEST as usize).contains(&new));
                        limit = new as u64;
                    }
                    Err(invalid) => {
                        prop_assert!(new == 0 || new > LARGEST as usize);
                        prop_assert_eq!((invalid.field(), invalid.value().to_string()), ("limit", new.to_string()));
                    }
                },
            }
            // Every handle says the same, and it is the sum of what the calls in flight hold.
            let taken: u64 = held.iter().map(Held::slots).sum();
            prop_assert_eq!((u64::from(slots.limit()), u64::from(slots.in_flight())), (limit, taken));
            prop_assert_eq!(u64::from(weighted.policy().in_flight()), taken);
        }
        // All of them end: nothing is left.
        for call in held {
            match call {
                Held::Plain => slots.settle((), &ended(Outcome::Success)),
                Held::Weighted(taken) => weighted.settle(taken, &ended(Outcome::Abandoned)),
            }
        }
        prop_assert_eq!(slots.in_flight(), 0);
        prop_assert!(weighted.admit(&u32::MAX, NOW).is_ok(), "the heaviest call runs alone rather than never");
    }
}

/// Does the same so often on each of many threads.
fn rounds(run: impl Fn(u32) + Sync) {
    crowd(|nth| (0..20_000).for_each(|_| run(nth)));
}

/// As many slots as threads: whatever they do, there is always one for each.
#[test]
fn under_threads_nobody_is_turned_away_while_a_slot_is_free() {
    let slots = bulkhead(THREADS);
    rounds(|_| {
        assert!(Admit::admit(&slots, &(), NOW).is_ok());
        slots.settle((), &ended(Outcome::Success));
    });
    assert_eq!(slots.in_flight(), 0);
}

/// Fewer slots than threads: never are more calls in flight than there are slots, as the calls themselves count them.
#[test]
fn under_threads_the_limit_holds() {
    let (slots, inside, most) = (bulkhead(3), AtomicU32::new(0), AtomicU32::new(0));
    rounds(|_| {
        if Admit::admit(&slots, &(), NOW).is_ok() {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Others get a chance to come in while this one is.
            thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
            slots.settle((), &ended(Outcome::Success));
        }
    });
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    assert_eq!(slots.in_flight(), 0);
}

/// Calls of all weights while the limit goes up and down: what is taken is never above the largest limit, and at the
/// end nothing is.
#[test]
fn under_threads_no_slot_is_lost_while_the_limit_changes() {
    let slots = bulkhead(4);
    let weighted = slots.clone().weighted(crate::support::weight_of);
    let inside = AtomicU32::new(0);
    rounds(|nth| {
        if nth == 0 {
            slots.resize(4 + slots.in_flight() as usize % 5).unwrap();
        } else if let Ok(taken) = weighted.admit(&nth, NOW) {
            assert!(inside.fetch_add(taken, Ordering::SeqCst) + taken <= 8);
            inside.fetch_sub(taken, Ordering::SeqCst);
            weighted.settle(taken, &ended(Outcome::Failure));
        }
    });
    assert_eq!(slots.in_flight(), 0);
}
