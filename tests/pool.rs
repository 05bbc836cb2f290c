//! A pool of slots and the shares of its dependencies, as their users see them.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use cofferdam::{
    Admit, Bulkhead, CircuitBreaker, Control, Ended, Event, Instant, Keyed, Outcome, Policy, Pool, PoolShare,
    PoolState, Refused, Rejected, Shadow, What, Why, guard, observe, pool::Taken, waiting::Order,
};

const START: Duration = Duration::from_secs(1_000);

fn pool(slots: usize) -> Pool {
    Pool::builder("front").slots(slots).build().unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A dependency, and its calls in flight.
struct Dependency {
    share: PoolShare,
    calls: VecDeque<(Taken, Instant)>,
}

impl Dependency {
    fn of(pool: &Pool, name: &str) -> Self {
        Self { share: pool.share(name).unwrap(), calls: VecDeque::new() }
    }

    fn call(&mut self, now: Instant) -> Result<(), Rejected> {
        let taken = self.share.admit(&(), now)?;
        self.calls.push_back((taken, now));
        Ok(())
    }

    /// The call that began first ends.
    fn end(&mut self, outcome: Outcome, now: Instant) {
        let (taken, began) = self.calls.pop_front().expect("a call is in flight");
        self.share.settle(taken, &Ended::new(outcome, began, now));
    }

    fn end_all(&mut self, outcome: Outcome, now: Instant) {
        while !self.calls.is_empty() {
            self.end(outcome, now);
        }
    }

    /// Calls as often as it is let. Returns how many that were, and the rejection.
    fn call_until_rejected(&mut self, now: Instant, most: usize) -> (usize, Option<Rejected>) {
        for calls in 0..most {
            if let Err(rejected) = self.call(now) {
                return (calls, Some(rejected));
            }
        }
        (most, None)
    }

    /// Works with that many calls in flight, each of which takes so long, for so many calls.
    fn work(&mut self, at_a_time: u32, takes: Duration, calls: u32, now: &mut Instant) {
        for _ in 0..calls {
            *now = now.after(takes / at_a_time);
            if self.calls.len() as u32 == at_a_time {
                self.end(Outcome::Success, *now);
            }
            self.call(*now).expect("all is well");
        }
        *now = now.after(takes / at_a_time);
        self.end_all(Outcome::Success, *now);
    }
}

/// A pool of 64, in which `a` is known to need 20 slots and `b` 4.
fn two_that_are_known() -> (Pool, Dependency, Dependency, Instant) {
    let pool = pool(64);
    let (mut a, mut b) = (Dependency::of(&pool, "a"), Dependency::of(&pool, "b"));
    let mut now = Instant::ORIGIN.after(START);
    a.work(21, ms(20), 2_000, &mut now);
    b.work(5, ms(20), 1_000, &mut now);
    (pool, a, b, now)
}

#[test]
fn what_a_dependency_needs_is_learned_from_its_use() {
    let (pool, a, b, _) = two_that_are_known();
    // The mean, its square root and one.
    assert!((a.share.guaranteed() - 25.5).abs() < 0.5, "{}", a.share.guaranteed());
    assert!((b.share.guaranteed() - 7.0).abs() < 0.5, "{}", b.share.guaranteed());
    assert_eq!((pool.slots(), pool.in_use(), pool.shares()), (64, 0, 2));
}

#[test]
fn one_that_hangs_takes_what_is_free_and_never_what_the_other_needs() {
    let (pool, mut a, mut b, now) = two_that_are_known();
    // It owes answers, and has been silent for longer than they take.
    b.call(now).unwrap();
    let now = now.after(ms(50));
    let (taken, rejected) = b.call_until_rejected(now, 64);
    let rejected = rejected.expect("it is held back");
    assert_eq!((rejected.by().as_str(), rejected.why()), ("b", Why::Reserved));
    assert!(rejected.retry_after().is_some_and(|after| after >= ms(20) && after <= ms(100)), "{rejected}");
    assert_eq!(b.share.state(), PoolState::Contained);
    assert_eq!(pool.in_use() as usize, taken + 1);
    // What is left is what the other is guaranteed, and it gets all of it.
    let left = (64 - pool.in_use()) as usize;
    assert!((left as f64 - a.share.guaranteed()).abs() <= 1.0, "{left} are left");
    assert_eq!(a.call_until_rejected(now, left), (left, None));
}

#[test]
fn one_that_is_slow_has_all_that_nobody_else_needs_while_others_use_their_slots() {
    let (pool, mut a, mut b, now) = two_that_are_known();
    assert_eq!(a.call_until_rejected(now, 26), (26, None));
    b.call(now).unwrap();
    let now = now.after(ms(15));
    // The other has what it is guaranteed, so all the rest is free to take.
    let (taken, rejected) = b.call_until_rejected(now.after(ms(60)), 100);
    assert_eq!((taken, rejected.map(|rejected| rejected.why())), (37, Some(Why::Reserved)));
    assert_eq!(pool.in_use(), 64);
    // Its own part of the pool it has in any case, even now.
    a.end_all(Outcome::Success, now.after(ms(60)));
    b.end_all(Outcome::Abandoned, now.after(ms(61)));
    assert!(b.call_until_rejected(now.after(ms(62)), 10).1.is_none());
}

#[test]
fn a_pool_that_is_full_while_all_is_well_rejects_nothing() {
    let (pool, mut a, mut b, now) = two_that_are_known();
    assert_eq!(a.call_until_rejected(now, 50), (50, None));
    // One that has answered a moment ago is not sick, whatever it takes.
    for call in 0..60 {
        let now = now.after(Duration::from_micros(100 * call));
        b.call(now).unwrap();
    }
    assert_eq!(pool.in_use(), 110);
    assert_eq!(b.share.state(), PoolState::Free);
}

#[test]
fn one_whose_answers_take_three_times_as_long_is_sick() {
    for (times, sick) in [(2, false), (10, true)] {
        let (_pool, _a, mut b, mut now) = two_that_are_known();
        b.work(5, ms(20) * times, 200, &mut now);
        b.call(now).unwrap();
        let (_, rejected) = b.call_until_rejected(now.after(ms(1)), 64);
        assert_eq!(rejected.is_some(), sick, "{times} times as slow");
    }
}

#[test]
fn defect_85_slow_does_not_become_normal_while_it_harms_others_and_does_when_it_does_not() {
    for harms in [true, false] {
        let (_pool, _a, mut b, mut now) = two_that_are_known();
        let mut contained = 0;
        for second in 0..400 {
            // Some 40 calls a second of 100 ms, which are few; and now and then more than there is room for.
            b.work(4, ms(100), 40, &mut now);
            if harms && second % 5 == 0 {
                b.call(now).unwrap();
                now = now.after(ms(1));
                contained += u32::from(b.call_until_rejected(now, 64).1.is_some());
                b.end_all(Outcome::Success, now);
            }
        }
        b.call(now).unwrap();
        let (_, rejected) = b.call_until_rejected(now.after(ms(1)), 64);
        assert_eq!(rejected.is_some(), harms);
        assert!(if harms { contained > 70 } else { contained == 0 }, "{contained} times");
    }
}

#[test]
fn defect_80_fast_failures_are_no_sickness() {
    let (_pool, _a, mut b, mut now) = two_that_are_known();
    for _ in 0..200 {
        b.call(now).unwrap();
        now = now.after(ms(1));
        b.end(Outcome::Failure, now);
    }
    b.call(now).unwrap();
    assert_eq!(b.call_until_rejected(now.after(ms(1)), 64), (64, None));
}

/// A download takes its slot for as long as it goes on, and no answer is owed meanwhile.
#[test]
fn streams_that_go_on_are_no_silence() {
    for owes in [false, true] {
        let (_pool, _a, mut b, now) = two_that_are_known();
        assert_eq!(b.call_until_rejected(now, 10), (10, None));
        let now = now.after(ms(20));
        let answered = if owes { 9 } else { 10 };
        for (taken, began) in b.calls.iter().take(answered) {
            b.share.head(taken, *began, now);
        }
        // A second later.
        let (_, rejected) = b.call_until_rejected(now.after(ms(1_000)), 64);
        assert_eq!(rejected.is_some(), owes);
        for (index, (taken, began)) in b.calls.drain(..).enumerate() {
            let has_head = index < answered;
            let outcome = if has_head { Outcome::Success } else { Outcome::Ignored };
            let mut ended = Ended::new(outcome, began, now.after(ms(2_000)));
            ended.head = Some(now).filter(|_| has_head);
            b.share.settle(taken, &ended);
        }
        // Nothing is owed any more either.
        assert_eq!(b.share.in_use(), 0);
        b.call(now.after(ms(9_000))).unwrap();
        assert_eq!(b.call_until_rejected(now.after(ms(9_005)), 64).1, None);
    }
}

/// A request that takes four slots of the front takes four of the pool.
#[test]
fn heavy_requests_hold_what_they_weigh() {
    let weigh = |weight: &u32| *weight;
    let front = Bulkhead::builder("front").limit(64).build().unwrap();
    let pool = Pool::builder("front").slots_of(front.usage()).build().unwrap();
    let (a, b) = (pool.share("a").unwrap().weighted(weigh), pool.share("b").unwrap().weighted(weigh));
    let front = front.weighted(weigh);
    let mut now = Instant::ORIGIN.after(START);
    let mut work = |share: &cofferdam::Weighted<PoolShare, _>, at_a_time: usize| {
        let mut calls = VecDeque::new();
        for _ in 0..1_000 {
            now = now.after(ms(20) / at_a_time as u32);
            if calls.len() == at_a_time {
                let (taken, began) = calls.pop_front().unwrap();
                share.settle(taken, &Ended::new(Outcome::Success, began, now));
            }
            calls.push_back((share.admit(&4, now).unwrap(), now));
        }
        calls.into_iter().for_each(|(taken, began)| {
            share.settle(taken, &Ended::new(Outcome::Success, began, now));
        });
        now
    };
    work(&a, 6);
    let now = work(&b, 2).after(ms(50));
    // What calls find is one less than there are at a time: five, of four slots each.
    assert!((a.policy().guaranteed() - (20.0 + 20.0_f64.sqrt() + 1.0)).abs() < 0.5, "{}", a.policy().guaranteed());

    // Nothing weighs nothing.
    let nothing = b.admit(&0, now).unwrap();
    assert_eq!(pool.in_use(), 0);
    let mut held = 0;
    // It owes an answer for longer than those take.
    let now = now.after(ms(100));
    while front.admit(&4, now).is_ok() && b.admit(&4, now).is_ok() {
        held += 4;
    }
    assert_eq!(b.policy().in_use(), held);
    let left = f64::from(64 - held);
    assert!((a.policy().guaranteed()..a.policy().guaranteed() + 4.0).contains(&left), "{left} are left");
    b.undo(nothing, now);
    assert_eq!(b.policy().in_use(), held);
}

#[test]
fn nothing_is_known_before_twenty_answers_and_so_nothing_is_rejected() {
    let pool = pool(8);
    let (mut a, mut b) = (Dependency::of(&pool, "a"), Dependency::of(&pool, "b"));
    let mut now = Instant::ORIGIN.after(START);
    a.work(2, ms(20), 500, &mut now);
    b.work(1, ms(20), 18, &mut now);
    b.call(now).unwrap();
    assert_eq!(b.call_until_rejected(now.after(Duration::from_secs(5)), 20), (20, None));
}

#[test]
fn a_share_alone_is_never_rejected() {
    let pool = pool(4);
    let mut only = Dependency::of(&pool, "only");
    let mut now = Instant::ORIGIN.after(START);
    only.work(2, ms(20), 500, &mut now);
    only.call(now).unwrap();
    assert_eq!(only.call_until_rejected(now.after(Duration::from_secs(9)), 50), (50, None));
}

#[test]
fn calls_that_never_reach_the_dependency_teach_nothing() {
    let (_pool, _a, mut b, mut now) = two_that_are_known();
    let before = b.share.guaranteed();
    for call in 0..1_000 {
        now = now.after(ms(1));
        b.call(now).unwrap();
        if call % 2 == 0 {
            let (taken, _) = b.calls.pop_front().unwrap();
            b.share.undo(taken, now);
        } else {
            b.end(Outcome::Ignored, now);
        }
    }
    assert_eq!((b.share.guaranteed(), b.share.in_use()), (before, 0));
}

#[test]
fn what_nobody_uses_any_more_is_given_up_by_halves() {
    let (_pool, mut a, mut b, mut now) = two_that_are_known();
    let before = a.share.guaranteed();
    for _ in 0..5 {
        now = now.after(Duration::from_secs(61));
        b.call(now).unwrap();
        b.end(Outcome::Success, now.after(ms(20)));
    }
    assert!(a.share.guaranteed() < 4.0 && before > 25.0, "{} of {before}", a.share.guaranteed());
    // It is asked for again, and is there again.
    a.work(21, ms(20), 2_000, &mut now);
    assert!((a.share.guaranteed() - before).abs() < 0.5);
}

#[test]
fn a_surge_of_one_that_is_well_is_followed() {
    let (pool, mut a, mut b, mut now) = two_that_are_known();
    b.call(now).unwrap();
    now = now.after(ms(100));
    assert!(b.call_until_rejected(now, 64).1.is_some());
    // While the other hangs, it needs more, and learns so.
    let room = 64 - pool.in_use();
    a.work(room, ms(20), 1_000, &mut now);
    assert!(a.share.guaranteed() > f64::from(room));
    b.end_all(Outcome::Abandoned, now);
    b.call(now).unwrap();
    let (taken, _) = b.call_until_rejected(now.after(ms(100)), 64);
    assert!(taken < 35, "it took {taken}");
}

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

/// Too slow to fit, and too little slower to be sick: only those who wait in front tell.
#[tokio::test(start_paused = true)]
async fn when_requests_wait_for_long_the_one_that_takes_the_most_is_held_back() {
    for order in [Order::Fifo, Order::Adaptive { after: ms(10) }] {
        let front = Bulkhead::builder("front").limit(16).queue(100).max_wait(ms(400)).order(order).build().unwrap();
        let pool = Pool::builder("front").slots_of(front.usage()).build().unwrap();
        let (a, b) = (pool.share("a").unwrap(), pool.share("b").unwrap());
        let hold = |share: PoolShare, takes: Duration| {
            let front = front.clone().layer();
            async move {
                let call = move || async move {
                    let inner = share.layer();
                    match inner
                        .call(&(), || async {
                            tokio::time::sleep(takes).await;
                            Ok::<_, ()>(())
                        })
                        .await
                    {
                        Err(Refused::Rejected(rejected)) => Err(rejected.why()),
                        _ => Ok(()),
                    }
                };
                match front.call(&(), call).await {
                    Err(Refused::Inner(why)) => Err(why),
                    Err(Refused::Rejected(rejected)) => Err(rejected.why()),
                    Ok(()) => Ok(()),
                }
            }
        };
        for _ in 0..100 {
            let (a, b) = (hold(a.clone(), ms(20)), hold(b.clone(), ms(20)));
            assert_eq!(tokio::join!(a, b), (Ok(()), Ok(())));
        }
        let mut calls = tokio::task::JoinSet::new();
        let mut whys = Vec::new();
        // Ten times what is usual comes for `b`, each a little slower: 1000 a second for 400 that can be done.
        for _ in 0..1_500 {
            calls.spawn(hold(b.clone(), ms(40)));
            tokio::time::advance(ms(1)).await;
            tokio::task::yield_now().await;
            while let Some(done) = calls.try_join_next() {
                whys.push(done.unwrap());
            }
        }
        // What it holds is what it may, and with that the line becomes short enough again.
        assert!(whys.contains(&Err(Why::Reserved)), "{order:?}");
        assert_eq!(a.state(), PoolState::Free);
        calls.shutdown().await;
    }
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
fn it_tells_of_its_states_and_recovers_in_time() {
    let pool = Pool::builder("told").slots(64).build().unwrap();
    let (mut a, mut b) = (Dependency::of(&pool, "told a"), Dependency::of(&pool, "told b"));
    let mut now = Instant::ORIGIN.after(START);
    a.work(21, ms(20), 2_000, &mut now);
    b.work(5, ms(20), 1_000, &mut now);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let writes = Arc::clone(&heard);
    let _listening = observe(move |event: &Event| match event.what {
        What::StateChanged { from, to, .. } if event.by.as_str().starts_with("told") => {
            writes.lock().unwrap().push((event.by.as_str(), from, to));
        }
        _ => {}
    });

    b.call(now).unwrap();
    now = now.after(ms(60));
    for _ in 0..3 {
        assert!(b.call_until_rejected(now, 64).1.is_some());
    }
    assert_eq!(*heard.lock().unwrap(), [("told b", "free", "contained")]);

    b.end_all(Outcome::Success, now);
    now = now.after(ms(9_999));
    b.call(now).unwrap();
    assert_eq!(b.share.state(), PoolState::Contained);
    b.end(Outcome::Success, now);
    b.call(now.after(ms(1))).unwrap();
    assert_eq!(b.share.state(), PoolState::Free);
    assert_eq!(heard.lock().unwrap().last(), Some(&("told b", "contained", "free")));
    assert_eq!(a.share.state(), PoolState::Free);
}

#[test]
fn operators_see_what_is_whose() {
    let (pool, a, mut b, now) = two_that_are_known();
    b.call(now).unwrap();
    let control: &dyn Control = &pool;
    assert_eq!((control.name().as_str(), control.state()), ("front", "1 of 64 taken, 2 shares".to_owned()));
    control.configure("slots", "32").unwrap();
    assert_eq!((pool.slots(), control.settings()[0].value.as_str()), (32, "32"));
    assert!(control.configure("slots", "0").is_err() && control.configure("limit", "3").is_err());
    assert!(control.force("open").is_err());
    assert_eq!(pool.slots(), 32);

    let control: &dyn Control = &b.share;
    assert!(control.state().starts_with("free: 1 taken, "), "{}", control.state());
    assert!(control.settings().is_empty() && control.configure("slots", "3").is_err());
    control.force("reset").unwrap();
    assert_eq!((b.share.guaranteed(), b.share.in_use()), (1.0, 1));
    assert!(control.force("open").is_err());
    assert!(a.share.guaranteed() > 20.0);

    let front = Bulkhead::builder("front").build().unwrap();
    let follows = Pool::builder("front").slots_of(front.usage()).build().unwrap();
    assert!(Control::settings(&follows).is_empty() && Control::configure(&follows, "slots", "3").is_err());
}

#[test]
fn a_shadow_lets_through_what_it_would_have_rejected() {
    let (pool, _a, mut b, now) = two_that_are_known();
    let shadow = Shadow::new(b.share.clone());
    b.call(now).unwrap();
    let now = now.after(ms(60));
    let tokens: Vec<_> = (0..64).map(|_| shadow.admit(&(), now).unwrap()).collect();
    assert!(shadow.would_have_rejected() > 20);
    tokens.into_iter().for_each(|token| shadow.undo(token, now));
    assert_eq!(pool.in_use(), 1);
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

#[cfg(feature = "http")]
#[tokio::test]
async fn over_http_it_is_a_503_that_says_when_to_come_again() {
    use http::{Request, Response};
    use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

    let pool = pool(8);
    let (mut a, mut b) = (Dependency::of(&pool, "a"), Dependency::of(&pool, "b"));
    let mut now = Instant::ORIGIN.after(ms(1));
    a.work(4, ms(20), 500, &mut now);
    b.work(1, ms(20), 40, &mut now);
    // These were not answered since, which is long ago.
    assert_eq!(b.call_until_rejected(now, 5), (5, None));
    let service = ServiceBuilder::new()
        .layer(b.share.clone().layer().http())
        .service(service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(String::new())) }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "30");
}
