//! What a dependency needs, and how that is learned.

use std::num::NonZeroU32;

use super::*;

#[test]
fn what_a_dependency_needs_is_learned_from_its_use() {
    let (pool, a, b, _) = two_that_are_known();
    // The mean, its square root and one.
    assert!((a.share.guaranteed() - 25.5).abs() < 0.5, "{}", a.share.guaranteed());
    assert!((b.share.guaranteed() - 7.0).abs() < 0.5, "{}", b.share.guaranteed());
    assert_eq!((pool.slots(), pool.in_use(), pool.shares()), (64, 0, 2));
}

/// A request that takes four slots of the front takes four of the pool.
#[test]
fn heavy_requests_hold_what_they_weigh() {
    let weigh = |weight: &u32| NonZeroU32::new(*weight).expect("something");
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

    assert_eq!(pool.in_use(), 0);
    // It owes an answer for longer than those take.
    assert!(front.admit(&4, now).is_ok() && b.admit(&4, now).is_ok());
    let mut held = 4;
    let now = now.after(ms(100));
    while front.admit(&4, now).is_ok() && b.admit(&4, now).is_ok() {
        held += 4;
    }
    assert_eq!(b.policy().in_use(), held);
    let left = f64::from(64 - held);
    assert!((a.policy().guaranteed()..a.policy().guaranteed() + 4.0).contains(&left), "{left} are left");
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
