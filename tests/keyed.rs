//! One policy per key.
#![allow(missing_docs)]

mod support;

use std::{
    future::{pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use cofferdam::{
    Admit, BreakerState, Bulkhead, CircuitBreaker, Ended, Fresh, Instant, Keyed, Outcome, Policy, Rejected, Shadow,
    Why, guard,
    keyed::{ByValue, KeyedToken, WhenFull},
};
use support::{poll, settled};

fn slots(limit: usize) -> Bulkhead {
    Bulkhead::builder("tenants").limit(limit).build().unwrap()
}

fn now() -> Instant {
    Instant::now()
}

type ByNumber = Keyed<Bulkhead, ByValue<fn(&u64) -> u64>>;

fn by_number(capacity: usize, when_full: WhenFull) -> ByNumber {
    let own = (|key: &u64| *key) as fn(&u64) -> u64;
    Keyed::builder(slots(1)).by(own).capacity(capacity).when_full(when_full).build().unwrap()
}

fn end<P: Policy, K>(keyed: &Keyed<P, K>, token: KeyedToken<P>, outcome: Outcome) {
    keyed.settle(token, &Ended::new(outcome, now(), now()));
}

fn why<T>(answer: Result<T, Rejected>) -> Option<Why> {
    answer.err().map(|rejected| rejected.why())
}

#[test]
fn each_key_has_a_policy_of_its_own() {
    let keyed = by_number(100, WhenFull::Share);
    let first = keyed.admit(&1, now()).unwrap();
    let rejected = keyed.admit(&1, now()).unwrap_err();
    assert_eq!((rejected.by().as_str(), rejected.why()), ("tenants", Why::Full));
    let second = keyed.admit(&2, now()).unwrap();
    end(&keyed, first, Outcome::Success);
    assert!(keyed.admit(&1, now()).is_ok());
    keyed.undo(second, now());
    assert_eq!(keyed.get(&2).unwrap().in_flight(), 0);
    assert_eq!((keyed.len(), keyed.get(&3).is_none()), (2, true));
    assert_eq!(keyed.len(), 2, "to look at a key makes none");
}

#[test]
fn keys_are_borrowed_from_requests() {
    struct Query {
        tenant: String,
    }
    let keyed = Keyed::builder(slots(1)).by_text(|query: &Query| &query.tenant).build().unwrap();
    let query = |tenant: &str| Query { tenant: tenant.to_owned() };
    let held = keyed.admit(&query("acme"), now()).unwrap();
    assert_eq!(why(keyed.admit(&query("acme"), now())), Some(Why::Full));
    assert!(keyed.admit(&query("umbra"), now()).is_ok());
    drop(held);
}

#[test]
fn a_million_keys_take_the_room_of_a_hundred() {
    let keyed = by_number(100, WhenFull::Share);
    for key in 0..1_000_000 {
        let token = keyed.admit(&key, now()).unwrap();
        end(&keyed, token, Outcome::Success);
        assert!(keyed.len() <= 100);
    }
    assert_eq!((keyed.len(), keyed.overflowed()), (100, 0));
}

#[test]
fn a_key_in_use_is_never_forgotten() {
    let keyed = by_number(4, WhenFull::Reject);
    let held: Vec<_> = (0..4).map(|key| keyed.admit(&key, now()).unwrap()).collect();
    for stranger in 10..1000 {
        assert_eq!(why(keyed.admit(&stranger, now())), Some(Why::Crowded));
    }
    assert_eq!((keyed.len(), keyed.overflowed()), (4, 990));
    for key in 0..4 {
        assert_eq!(why(keyed.admit(&key, now())), Some(Why::Full), "its slot is still taken");
    }
    for token in held {
        end(&keyed, token, Outcome::Success);
    }
    assert!(keyed.admit(&10, now()).is_ok());
    assert_eq!(keyed.len(), 4);
}

#[test]
fn those_who_find_no_room_share_one_policy() {
    let keyed = by_number(1, WhenFull::Share);
    let held = keyed.admit(&0, now()).unwrap();
    let first = keyed.admit(&1, now()).unwrap();
    assert_eq!(why(keyed.admit(&2, now())), Some(Why::Full), "the shared slot is taken");
    end(&keyed, first, Outcome::Success);
    assert!(keyed.admit(&2, now()).is_ok());
    assert_eq!(keyed.overflowed(), 3);
    drop(held);
}

/// A table of idle keys is not full, however lately they were used.
#[test]
fn an_idle_key_makes_room_however_lately_it_was_used() {
    let keyed = by_number(10_000, WhenFull::Reject);
    for key in (0..10_000).chain(0..10_000) {
        end(&keyed, keyed.admit(&key, now()).unwrap(), Outcome::Success);
    }
    for key in 10_000..10_500 {
        end(&keyed, keyed.admit(&key, now()).unwrap(), Outcome::Success);
    }
    assert_eq!((keyed.len(), keyed.overflowed()), (10_000, 0));
}

#[test]
fn a_key_that_is_used_outlives_those_that_are_seen_once() {
    // Longer than this takes on any machine: what is asked is whether its counts began afresh, not whether they are old.
    let breaker = CircuitBreaker::builder("tenants").window(Duration::from_secs(3600)).build().unwrap();
    let keyed = Keyed::builder(breaker).by(|key: &u64| *key).capacity(64).build().unwrap();
    let call = |key| end(&keyed, keyed.admit(&key, now()).unwrap(), Outcome::Success);
    for stranger in 1..100_000 {
        call(0);
        call(stranger);
    }
    assert_eq!(keyed.get(&0).unwrap().counts().calls, 99_999, "it never began afresh");
}

#[test]
fn labels_are_short_whatever_strangers_send() {
    let long = "x".repeat(1_000_000);
    let keyed = Keyed::builder(slots(1)).by_text(|text: &String| text).build().unwrap();
    let wide = "\u{1f980}".repeat(100);
    for text in ["short".to_owned(), long, wide, String::new(), format!("{}\u{e9}", "a".repeat(63))] {
        drop(keyed.admit(&text, now()));
        let label = keyed
            .snapshot()
            .into_iter()
            .find(|key| text.starts_with(&*key.label) && (!key.label.is_empty() || text.is_empty()));
        let label = label.unwrap().label;
        assert!(label.len() <= 64 && label.len() + 4 > text.len().min(64), "{label:?}");
    }
    let debugged = Keyed::builder(slots(1)).by(|text: &String| text.clone()).build().unwrap();
    drop(debugged.admit(&"\u{e9}".repeat(100), now()));
    assert_eq!(&*debugged.snapshot()[0].label, format!("\"{}", "\u{e9}".repeat(31)));
}

#[test]
fn all_keys_are_configured_and_keep_their_states() {
    let keyed =
        Keyed::builder(CircuitBreaker::builder("tenants").build().unwrap()).by(|key: &u64| *key).build().unwrap();
    drop(keyed.admit(&1, now()));
    keyed.get(&1).unwrap().force_open();
    keyed.configure(|breaker| breaker.configure(|settings| settings.consecutive_failures(2))).unwrap();
    assert_eq!(keyed.get(&1).unwrap().state(), BreakerState::ForcedOpen);
    for _ in 0..2 {
        end(&keyed, keyed.admit(&2, now()).unwrap(), Outcome::Failure);
    }
    assert_eq!(keyed.get(&2).unwrap().state(), BreakerState::Open, "keys to come are set like that too");
    assert!(keyed.configure(|breaker| breaker.configure(|settings| settings.probes(0))).is_err());
}

#[test]
fn the_capacity_changes_while_it_runs() {
    let keyed = by_number(100, WhenFull::Share);
    let held: Vec<_> = (0..10).map(|key| keyed.admit(&key, now()).unwrap()).collect();
    (10..100).for_each(|key| end(&keyed, keyed.admit(&key, now()).unwrap(), Outcome::Success));
    keyed.set_capacity(5).unwrap();
    assert_eq!((keyed.capacity(), keyed.len()), (5, 10), "those in use stay");
    held.into_iter().for_each(|token| end(&keyed, token, Outcome::Success));
    (100..200).for_each(|key| end(&keyed, keyed.admit(&key, now()).unwrap(), Outcome::Success));
    assert_eq!(keyed.len(), 5);
    for capacity in [0, (1 << 20) + 1, usize::MAX] {
        assert_eq!(keyed.set_capacity(capacity).unwrap_err().field(), "capacity");
    }
}

/// A newcomer looks at so many only, but whoever makes the table smaller has time.
#[test]
fn idle_keys_behind_a_crowd_of_busy_ones_are_forgotten_with_a_smaller_capacity() {
    let keyed = by_number(8_000, WhenFull::Share);
    let held: Vec<_> = (0..4_000).map(|key| keyed.admit(&key, now()).unwrap()).collect();
    (4_000..8_000).for_each(|key| end(&keyed, keyed.admit(&key, now()).unwrap(), Outcome::Success));
    keyed.set_capacity(5_000).unwrap();
    assert_eq!(keyed.len(), 5_000);
    keyed.set_capacity(1).unwrap();
    assert_eq!(keyed.len(), 4_000, "those in use stay");
    held.into_iter().for_each(|token| end(&keyed, token, Outcome::Success));
}

#[test]
fn what_is_fresh_has_the_settings_and_nothing_else() {
    let queued = Bulkhead::builder("fresh").limit(1).queue(3).max_wait(Duration::from_secs(7)).build().unwrap();
    let held = guard(queued.clone());
    let mut hangs = Box::pin(held.call(&(), pending::<Result<(), ()>>));
    assert!(poll(hangs.as_mut()).is_pending());
    queued.resize(2).unwrap();
    let fresh = queued.fresh();
    assert_eq!((fresh.limit(), fresh.in_flight(), fresh.waiting()), (2, 0, 0));

    let group = (slots(1).weighted(support::weight_of), Some(Shadow::new(slots(2))), ());
    let token = group.admit(&1, now()).unwrap();
    let another = group.fresh();
    assert!(another.admit(&1, now()).is_ok());
    assert!(group.admit(&1, now()).is_err());
    group.undo(token, now());
}

#[test]
fn a_key_function_that_panics_harms_its_own_call_only() {
    let keyed =
        Keyed::builder(slots(1)).by(|key: &u64| if *key == 13 { panic!("no such key") } else { *key }).build().unwrap();
    let group = (slots(5), keyed);
    for _ in 0..10 {
        assert!(catch_unwind(AssertUnwindSafe(|| group.admit(&13, now()).is_ok())).is_err());
    }
    assert_eq!(group.0.in_flight(), 0, "what came before it was taken back");
    assert!(group.admit(&1, now()).is_ok());
}

#[tokio::test(start_paused = true)]
#[cfg(feature = "test-util")]
async fn each_key_may_have_a_line_of_its_own() {
    let template = Bulkhead::builder("lines").limit(1).queue(1).build().unwrap();
    let guard = guard(Keyed::builder(template).by(|key: &u64| *key).build().unwrap());
    let mut hangs = Box::pin(guard.call(&1, pending::<Result<(), ()>>));
    assert!(poll(hangs.as_mut()).is_pending());
    let mut waits = Box::pin(guard.call(&1, || ready(Ok::<_, ()>(1))));
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!(settled(guard.call(&2, || ready(Ok::<_, ()>(2)))), Ok(2));
    drop(hangs);
    assert_eq!(waits.await, Ok(1));
}

/// Ten shards, one of which is dead: one breaker over all of them rejects the healthy ones too.
#[test]
fn defect_64_one_dead_shard_takes_no_other_with_it() {
    fn served(policy: impl Admit<u64, Kind = cofferdam::Immediate>) -> usize {
        let guard = guard(policy);
        let answer = |call: u64| if call % 10 == 7 { Err(()) } else { Ok(()) };
        (0..10_000).filter(|call| settled(guard.call(call, || ready(answer(*call)))).is_ok()).count()
    }
    let hour = Duration::from_secs(3600);
    let breaker = || {
        let builder = CircuitBreaker::builder("shards").failure_ratio(0.08).consecutive_failures(None);
        builder.open_time(hour).open_time_max(hour).build().unwrap()
    };
    let keyed = served(Keyed::builder(breaker()).by(|call: &u64| call % 10).build().unwrap());
    let over_all = served(breaker());
    assert!(keyed >= 9_000, "{keyed} of 10000");
    assert!(over_all < 1_000, "{over_all} of 10000");
}

#[test]
fn settings_out_of_range_are_refused() {
    for capacity in [0, (1 << 20) + 1, usize::MAX] {
        let invalid = Keyed::builder(slots(1)).by(|key: &u64| *key).capacity(capacity).build().unwrap_err();
        assert_eq!((invalid.field(), invalid.value()), ("capacity", capacity.to_string().as_str()));
    }
}
