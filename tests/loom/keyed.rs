//! Calls of two keys in a table that has room for one.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use cofferdam::{
    Admit, Bulkhead, Ended, Instant, Keyed, Outcome, Policy,
    keyed::{KeyOf, WhenFull},
};
use loom::thread;

use super::{beside, explore};

/// Calls that run, by key. What nobody models: it is to see, and not to be seen.
type Inside = Arc<[AtomicU32; 2]>;

/// One call of that key. Returns whether it was let in.
fn call<K: KeyOf<usize>>(keyed: &Keyed<Bulkhead, K>, inside: &Inside, key: usize) -> bool {
    let now = Instant::ORIGIN;
    let Ok(token) = keyed.admit(&key, now) else { return false };
    assert_eq!(inside[key].fetch_add(1, Ordering::SeqCst), 0, "two policies for one key let one in each");
    thread::yield_now();
    inside[key].fetch_sub(1, Ordering::SeqCst);
    keyed.settle(token, &Ended::new(Outcome::Success, now, now));
    true
}

/// A key whose call runs is not forgotten, whoever else needs the room: or its next call would find a second, empty policy.
#[test]
fn a_key_in_use_is_not_evicted() {
    explore(3, || {
        let template = Bulkhead::builder("loom").limit(1).build().unwrap();
        let keyed = Keyed::builder(template).by(|key: &usize| *key).capacity(1).when_full(WhenFull::Reject);
        let (keyed, inside) = (keyed.build().unwrap(), Inside::default());
        let other = |key| {
            let (keyed, inside) = (keyed.clone(), inside.clone());
            thread::spawn(move || call(&keyed, &inside, key))
        };
        let others = [other(0), other(1)];
        let own = call(&keyed, &inside, 0);
        let let_in = others.map(|other| other.join().unwrap());
        assert!(own || let_in.contains(&true), "one of them found room");
        assert_eq!(keyed.len(), 1);
        assert!(call(&keyed, &inside, 1), "when all are gone, anybody finds room");
    });
}

/// Two first calls of one key: one policy is made of it.
#[test]
fn a_key_that_two_threads_see_first_is_one_key() {
    explore(3, || {
        let template = Bulkhead::builder("loom").limit(1).build().unwrap();
        let keyed = Keyed::builder(template).by(|key: &usize| *key).capacity(2).build().unwrap();
        let inside = Inside::default();
        let other = {
            let (keyed, inside) = (keyed.clone(), inside.clone());
            thread::spawn(move || call(&keyed, &inside, 0))
        };
        call(&keyed, &inside, 0);
        other.join().unwrap();
        assert_eq!((keyed.len(), keyed.overflowed()), (1, 0));
    });
}

/// A change of all keys reaches the one that is being made.
#[test]
fn a_key_that_is_made_during_a_change_is_changed() {
    explore(3, || {
        let template = Bulkhead::builder("loom").limit(1).build().unwrap();
        let keyed = Keyed::builder(template).by(|key: &usize| *key).capacity(2).build().unwrap();
        let other = beside(&keyed, move |keyed| drop(keyed.admit(&0, Instant::ORIGIN)));
        keyed.configure(|slots| slots.resize(7)).unwrap();
        other.join().unwrap();
        assert!(keyed.snapshot().iter().all(|key| key.policy.limit() == 7));
    });
}
