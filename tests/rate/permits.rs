//! How many come in, at what cost, and what is given back.

use super::*;

/// A burst at once, then one call each time a permit comes; and the rejection says when that is, to the millisecond.
#[tokio::test(start_paused = true)]
async fn a_burst_then_the_rate_and_the_rejection_says_when() {
    let limit = limit(per_second(10), 3);
    let service = limit.clone().layer().layer(service_fn(|()| ready(Ok::<_, BoxError>(()))));
    for _ in 0..3 {
        service.clone().oneshot(()).await.unwrap();
    }
    for _ in 0..5 {
        let error = service.clone().oneshot(()).await.unwrap_err();
        let rejected = Rejected::find(error.as_ref()).unwrap();
        assert_eq!((rejected.by().as_str(), rejected.why()), ("search", Why::RateLimited));
        let wait = rejected.retry_after().unwrap();
        assert_eq!(wait, 100 * MILLISECOND);
        // A moment before that it is rejected, and then it is not.
        tokio::time::advance(wait - MILLISECOND).await;
        assert!(service.clone().oneshot(()).await.is_err());
        tokio::time::advance(MILLISECOND).await;
        service.clone().oneshot(()).await.unwrap();
    }
    // However long nobody comes, no more than the burst is kept.
    tokio::time::advance(1000 * SECOND).await;
    assert_eq!((limit.free(), drain(&limit, Instant::now())), (3, 3));
}

/// Weights: what there is not now is rejected with the time to wait for all of it, what there never is without.
#[test]
fn defect_156_what_costs_more_than_the_burst_is_refused_at_once() {
    let limit = limit(per_second(10), 10);
    let weighted = limit.clone().weighted(crate::support::weight_of);
    let now = Instant::now();
    let rejected = weighted.admit(&11, now).unwrap_err();
    assert_eq!((rejected.why(), rejected.retry_after()), (Why::TooMuch, None));
    assert_eq!(limit.free_at(now), 10, "it took nothing");
    weighted.admit(&10, now).unwrap();
    let rejected = weighted.admit(&7, now).unwrap_err();
    assert_eq!((rejected.why(), rejected.retry_after()), (Why::RateLimited, Some(700 * MILLISECOND)));
    assert_eq!(why(weighted.admit(&u32::MAX, now)), Why::TooMuch);
    weighted.admit(&7, now.after(700 * MILLISECOND)).unwrap();
}

/// A call that another policy rejected is not charged, and one that was made is, however it ended.
#[tokio::test(start_paused = true)]
async fn defect_157_what_was_not_sent_is_not_charged_and_what_was_is() {
    let (limit, slots) = (limit(per_second(1), 5), Bulkhead::builder("slots").limit(1).build().unwrap());
    let guard = guard((limit.clone(), slots));
    let sent = guard.call(&(), std::future::pending::<Result<(), ()>>);
    assert_eq!(limit.free(), 4);
    for _ in 0..100 {
        let rejected = guard.call(&(), || ready(Ok::<_, ()>(()))).await.unwrap_err();
        assert_eq!(rejected.rejected().unwrap().why(), Why::Full);
    }
    assert_eq!(limit.free(), 4, "a hundred calls were never sent");
    // It is cancelled: the dependency has heard of it all the same.
    drop(sent);
    assert_eq!(limit.free(), 4);
}

/// A permit that has come back by itself is not given back a second time.
#[test]
fn defect_157_what_is_given_back_late_is_not_given_back_twice() {
    let limit = limit(per_second(1), 1);
    let start = Instant::now();
    let first = Admit::<()>::admit(&limit, &(), start).unwrap();
    let later = start.after(SECOND);
    Admit::<()>::admit(&limit, &(), later).unwrap();
    limit.undo(first, later);
    assert_eq!(why(Admit::<()>::admit(&limit, &(), later)), Why::RateLimited);
}

/// In no time of any length, wherever it begins, come in more than the burst and what has come in that time.
#[test]
fn defect_148_160_no_window_admits_twice_its_rate() {
    let limit = limit(per_second(100), 10);
    let start = Instant::now();
    // Bursts just before and just after the turn of each second, and trickles just under the limit in between.
    let mut admitted: Vec<u64> = Vec::new();
    for second in 1..20_u64 {
        for micros in [990_000, 999_999, 1_000_000, 1_000_001, 1_010_000, 1_300_000, 1_309_999, 1_700_000] {
            let at = second * 1_000_000 + micros;
            for _ in 0..200 {
                if Admit::<()>::admit(&limit, &(), start.after(Duration::from_micros(at))).is_ok() {
                    admitted.push(at);
                }
            }
        }
    }
    admitted.sort_unstable();
    for (first, from) in admitted.iter().enumerate() {
        for (last, to) in admitted.iter().enumerate().skip(first) {
            let (calls, micros) = ((last - first + 1) as u64, to - from);
            assert!((calls - 1) * 10_000 <= micros + 90_000 + 10_000, "{calls} calls in {micros} us");
        }
    }
    // Rejections do not put the end off.
    let later = start.after(Duration::from_secs(100));
    assert_eq!(drain(&limit, later), 10);
    for micros in 0..9_999 {
        assert!(Admit::<()>::admit(&limit, &(), later.after(Duration::from_micros(micros))).is_err());
    }
    assert!(Admit::<()>::admit(&limit, &(), later.after(Duration::from_micros(10_000))).is_ok());
}

/// Asked a million times a second, it still refills: what has come of a permit is not lost.
#[test]
fn defect_149_asking_often_does_not_keep_it_from_refilling() {
    let limit = limit(per_second(1), 1);
    let start = Instant::now();
    let at = |micros| start.after(Duration::from_micros(micros));
    let admitted = (0..10_000_000).filter(|micros| Admit::<()>::admit(&limit, &(), at(*micros)).is_ok()).count();
    assert_eq!(admitted, 10);
}

/// From one a day to one a microsecond what is said is what comes; and what cannot be told in nanoseconds is refused.
#[test]
fn defect_151_any_rate_is_kept_or_refused() {
    let day = Duration::from_secs(24 * 60 * 60);
    for (rate, interval) in [
        (Rate::per(1, day), day),
        (Rate::per_second(1_000_000), Duration::from_micros(1)),
        (Rate::per_second(3), Duration::from_nanos(333_333_334)),
        (Rate::per(7, Duration::from_nanos(1_000_003)), Duration::from_nanos(142_858)),
        (Rate::per(1, Duration::from_secs(10 * 365 * 24 * 60 * 60)), Duration::from_secs(10 * 365 * 24 * 60 * 60)),
    ] {
        let rate = rate.unwrap();
        assert_eq!(rate.interval(), interval);
        let (limit, start) = (limit(rate, 1), Instant::now());
        for nth in 0..3 {
            let now = start.after(interval * nth);
            assert!(Admit::<()>::admit(&limit, &(), now).is_ok(), "{rate}");
            assert!(Admit::<()>::admit(&limit, &(), now.after(interval - Duration::from_nanos(1))).is_err(), "{rate}");
        }
    }
    for rate in [
        Rate::per_second(1_000_001),
        Rate::per_second(1_000_000_000),
        Rate::per_second(1_000_000_001),
        Rate::per_second(u32::MAX),
        Rate::per(1, Duration::ZERO),
        Rate::per(1, Duration::MAX),
        Rate::per(u32::MAX, Duration::from_nanos(1)),
        Rate::per_hour(0),
    ] {
        assert_eq!(rate.unwrap_err().field(), "rate");
    }
    // A burst that would not come back in ten years.
    let refused = RateLimit::builder("search", Rate::per(1, day).unwrap()).burst(3651).build().unwrap_err();
    assert_eq!(refused.field(), "burst");
}

/// So many per second are so many per second, and not the other way round.
#[test]
fn defect_153_what_is_said_is_what_is_meant() {
    for (rate, per_hour) in [
        (per_second(4000), 14_400_000),
        (Rate::per_minute(4000).unwrap(), 240_000),
        (Rate::per_hour(4000).unwrap(), 4000),
        (Rate::per(1, Duration::from_secs(4)).unwrap(), 900),
    ] {
        let interval = rate.interval().as_nanos();
        let in_an_hour = Duration::from_secs(3600).as_nanos().div_ceil(interval);
        assert!(in_an_hour.abs_diff(per_hour) <= 1, "{rate}: {in_an_hour}");
        let (limit, start) = (limit(rate, 1), Instant::now());
        let times = (0..1000_u32).map(|nth| start.after(rate.interval() * nth));
        assert!(times.into_iter().all(|now| drain(&limit, now) == 1), "{rate}");
    }
}
