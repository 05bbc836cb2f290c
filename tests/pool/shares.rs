//! Shares that come and go, under keys and with other policies.

use super::*;

#[test]
fn a_share_is_found_by_its_name_for_as_long_as_somebody_has_it() {
    let pool = Pool::builder("front").max_shares(2).build().unwrap();
    let (a, b) = (pool.share("a").unwrap(), pool.share("b").unwrap());
    let again = pool.share("a").unwrap();
    let taken = again.admit(&(), Instant::ORIGIN).unwrap();
    assert_eq!((a.in_use(), b.in_use(), pool.in_use(), pool.shares()), (1, 0, 1, 2));
    a.undo(taken, Instant::ORIGIN);

    let invalid = pool.share("c").unwrap_err();
    assert_eq!((invalid.field(), invalid.value()), ("share", "c"));
    drop(b);
    let c = pool.share("c").unwrap();
    assert_eq!((c.name().as_str(), c.pool().shares()), ("c", 2));
    drop((a, again));
    assert_eq!(pool.shares(), 1);
    assert!(pool.share("").is_err());
}

#[test]
fn a_new_share_knows_nothing_of_who_had_its_place_before() {
    let (pool, a, b, _) = two_that_are_known();
    drop(a);
    let c = pool.share("c").unwrap();
    assert_eq!((c.guaranteed(), c.in_use(), c.state()), (1.0, 0, PoolState::Free));
    assert_eq!((pool.shares(), b.share.in_use()), (2, 0));
}

#[tokio::test]
async fn a_call_in_flight_keeps_its_share() {
    let pool = pool(4);
    let guard = pool.share("a").unwrap().layer();
    let mut call = Box::pin(guard.call(&(), std::future::pending::<Result<(), ()>>));
    assert!(futures_util::poll!(&mut call).is_pending());
    drop(guard);
    assert_eq!((pool.shares(), pool.in_use()), (1, 1));
    drop(call);
    assert_eq!((pool.shares(), pool.in_use()), (0, 0));
}

#[test]
fn the_slots_are_those_of_the_limit_in_front() {
    let front = Bulkhead::builder("front").limit(64).build().unwrap();
    let pool = Pool::builder("front").slots_of(front.usage()).build().unwrap();
    let (mut a, mut b) = (Dependency::of(&pool, "a"), Dependency::of(&pool, "b"));
    let mut now = Instant::ORIGIN.after(START);
    a.work(21, ms(20), 2_000, &mut now);
    b.work(5, ms(20), 1_000, &mut now);

    // Requests that are with neither of the dependencies count too.
    let elsewhere: Vec<()> = (0..30).map(|_| front.admit(&(), now).unwrap()).collect();
    assert_eq!((pool.slots(), pool.in_use()), (64, 30));
    b.call(now).unwrap();
    let own = b.call_until_rejected(now.after(ms(60)), 64);
    assert!(own.1.is_none(), "64 less 30 is more than the other is guaranteed");
    drop(elsewhere);
    front.resize(40).unwrap();
    b.end_all(Outcome::Abandoned, now.after(ms(61)));
    b.call(now.after(ms(80))).unwrap();
    let (taken, rejected) = b.call_until_rejected(now.after(ms(160)), 64);
    assert_eq!(rejected.map(|rejected| rejected.why()), Some(Why::Reserved));
    assert!(taken < 12, "it may have a fifth of what there is, and had {taken}");

    let invalid = pool.resize(8).unwrap_err();
    assert_eq!(invalid.field(), "slots");
}

#[tokio::test]
async fn fused_with_a_breaker_that_rejects_it_takes_nothing() {
    let pool = pool(4);
    let share = pool.share("a").unwrap();
    let breaker = CircuitBreaker::builder("a").build().unwrap();
    breaker.force_open();
    let guard = guard(share.clone().and(breaker));
    let answer = guard.call(&(), || async { Ok::<_, ()>(()) }).await;
    assert_eq!(answer.unwrap_err().rejected().unwrap().why(), Why::Open);
    assert_eq!((share.in_use(), share.guaranteed()), (0, 1.0));
}

#[test]
fn each_key_has_a_share_of_its_own_as_long_as_there_are_any() {
    let pool = Pool::builder("front").slots(64).max_shares(4).build().unwrap();
    // The template, those who find no room, and two keys.
    let keyed = Keyed::builder(pool.share("shards").unwrap()).by(|shard: &u32| *shard).build().unwrap();
    let now = Instant::ORIGIN.after(START);
    let tokens: Vec<_> = (0..6).map(|shard| keyed.admit(&shard, now).unwrap()).collect();
    assert_eq!((pool.shares(), pool.in_use(), keyed.len()), (4, 6, 6));
    tokens.into_iter().for_each(|token| keyed.settle(token, &Ended::new(Outcome::Success, now, now)));
    assert_eq!(pool.in_use(), 0);
    drop(keyed);
    assert_eq!(pool.shares(), 0);
}
