//! What one that is sick may take, and who is sick.

use super::*;

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

#[test]
fn a_share_alone_is_never_rejected() {
    let pool = pool(4);
    let mut only = Dependency::of(&pool, "only");
    let mut now = Instant::ORIGIN.after(START);
    only.work(2, ms(20), 500, &mut now);
    only.call(now).unwrap();
    assert_eq!(only.call_until_rejected(now.after(Duration::from_secs(9)), 50), (50, None));
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
