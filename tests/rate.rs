//! Stories of rate limits, on a clock that stands still unless it is told to go on.
#![cfg(all(feature = "rate-limit", feature = "test-util"))]
#![allow(missing_docs)]

mod support;

use std::{
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cofferdam::{
    Admit, Bulkhead, CircuitBreaker, Control, Deadline, Fresh, Guard, Instant, Keyed, Policy, Rate, RateLimit, Refused,
    Rejected, Waiting, Why, guard, keyed::WhenFull, rate::Queue, waiting::Order,
};
use support::{CountingWaker, poll_with};
use tokio::task::JoinHandle;
use tower::{BoxError, Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn per_second(permits: u32) -> Rate {
    Rate::per_second(permits).unwrap()
}

fn limit(rate: Rate, burst: u32) -> RateLimit {
    RateLimit::builder("search", rate).burst(burst).build().unwrap()
}

fn patient(rate: Rate, burst: u32, length: usize) -> RateLimit<Queue> {
    let builder = RateLimit::builder("search", rate).burst(burst).queue(length).order(Order::Fifo);
    builder.max_wait(Duration::from_secs(3600)).build().unwrap()
}

/// Takes as many permits as there are, one by one.
fn drain(limit: &RateLimit, now: Instant) -> u32 {
    (0..).take_while(|_| Admit::<()>::admit(limit, &(), now).is_ok()).count() as u32
}

/// A call in a task of its own, which is polled when it is woken and not before.
fn spawn_call<P>(guard: &Guard<P>) -> JoinHandle<Result<(), Refused<()>>>
where
    P: Admit<(), Kind = Waiting, Token: Send> + Send + Sync + 'static,
{
    let guard = guard.clone();
    tokio::spawn(async move { guard.call(&(), || ready(Ok::<_, ()>(()))).await })
}

fn why<T>(result: Result<T, Rejected>) -> Why {
    result.err().expect("it is rejected").why()
}

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
    let weighted = limit.clone().weighted(|weight: &u32| *weight);
    let now = Instant::now();
    let rejected = weighted.admit(&11, now).unwrap_err();
    assert_eq!((rejected.why(), rejected.retry_after()), (Why::TooMuch, None));
    assert_eq!(limit.free_at(now), 10, "it took nothing");
    weighted.admit(&10, now).unwrap();
    weighted.admit(&0, now).expect("nothing is always there");
    let rejected = weighted.admit(&7, now).unwrap_err();
    assert_eq!((rejected.why(), rejected.retry_after()), (Why::RateLimited, Some(700 * MILLISECOND)));
    assert_eq!(why(weighted.admit(&u32::MAX, now)), Why::TooMuch);
    weighted.admit(&7, now.after(700 * MILLISECOND)).unwrap();
}

/// The same for those who would wait for it: also when the burst shrinks below what they already wait for.
#[tokio::test(start_paused = true)]
async fn defect_156_nobody_waits_for_what_never_comes() {
    let limit = patient(per_second(10), 10, 10);
    let guard = limit.clone().weighted(|weight: &u32| *weight).layer();
    let call = |weight: &'static u32| guard.call(weight, || ready(Ok::<_, ()>(())));
    let too_much =
        |answer| matches!(answer, Err(Refused::Rejected(rejected)) if Rejected::why(&rejected) == Why::TooMuch);
    assert!(too_much(call(&11).await));

    call(&10).await.unwrap();
    let (mut heavy, mut light) = (Box::pin(call(&8)), Box::pin(call(&1)));
    assert!(futures_util::poll!(&mut heavy).is_pending() && futures_util::poll!(&mut light).is_pending());
    limit.configure(|settings| settings.burst(5)).unwrap();
    assert!(too_much(heavy.await));
    light.await.unwrap();
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

/// Half of those who wait leave: the others come in at the rate, as if nobody else had ever been there.
#[tokio::test(start_paused = true)]
async fn defect_157_those_who_leave_the_line_take_no_permits_with_them() {
    let limit = patient(per_second(10), 1, 1000);
    let guard = limit.clone().layer();
    guard.call(&(), || ready(Ok::<_, ()>(()))).await.unwrap();
    let start = Instant::now();
    let mut line: Vec<_> = (0..200).map(|_| Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))))).collect();
    for call in &mut line {
        assert!(futures_util::poll!(call).is_pending());
    }
    let mut nth = 0;
    line.retain(|_| {
        nth += 1;
        nth % 2 == 0
    });
    for call in line {
        call.await.unwrap();
    }
    let took = Instant::now().since(start);
    assert!((Duration::from_millis(9_900)..=Duration::from_millis(10_200)).contains(&took), "{took:?}");
    assert_eq!(limit.waiting(), 0);
}

/// A thousand wait: at every moment no more have come in than the burst and what has come since, and all do in the end.
#[tokio::test(start_paused = true)]
async fn defect_147_nobody_comes_in_from_the_line_without_a_permit() {
    let limit = patient(per_second(10), 5, 1000);
    let guard = limit.clone().layer();
    let (start, admitted) = (Instant::now(), Arc::new(AtomicU32::new(0)));
    let calls = (0..1000).map(|_| {
        let admitted = Arc::clone(&admitted);
        guard.call(&(), move || {
            let so_far = admitted.fetch_add(1, Ordering::SeqCst) + 1;
            let allowed = 5.0 + Instant::now().since(start).as_secs_f64() * 10.0;
            assert!(f64::from(so_far) <= allowed + 1e-6, "{so_far} of {allowed}");
            ready(Ok::<_, ()>(()))
        })
    });
    futures_util::future::try_join_all(calls).await.unwrap();
    let took = Instant::now().since(start);
    assert!((Duration::from_millis(99_500)..=Duration::from_millis(101_000)).contains(&took), "{took:?}");
}

/// Whoever waits is woken when it is the next, and when its permit has come; by nothing else, and never by itself.
#[tokio::test(start_paused = true)]
async fn those_who_wait_sleep_until_it_is_their_turn() {
    let limit = patient(per_second(1), 1, 10);
    let guard = limit.clone().layer();
    let call = || Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))));
    call().await.unwrap();
    let (mut first, mut second) = (call(), call());
    let (one, two) = (Arc::<CountingWaker>::default(), Arc::<CountingWaker>::default());
    assert!(poll_with(first.as_mut(), &one).is_pending());
    assert!(poll_with(second.as_mut(), &two).is_pending());
    tokio::time::advance(900 * MILLISECOND).await;
    assert_eq!((one.wakes(), two.wakes()), (0, 0));
    tokio::time::advance(101 * MILLISECOND).await;
    assert_eq!((one.wakes(), two.wakes()), (1, 0));
    // The first comes in, and the second becomes the next: it is woken to set the timer.
    assert!(poll_with(first.as_mut(), &one).is_ready());
    assert_eq!((one.wakes(), two.wakes()), (1, 1));
    assert!(poll_with(second.as_mut(), &two).is_pending());
    tokio::time::advance(1001 * MILLISECOND).await;
    assert_eq!(two.wakes(), 2);
    assert!(poll_with(second.as_mut(), &two).is_ready());
}

/// The one that keeps the timer leaves: the next one keeps it.
#[tokio::test(start_paused = true)]
async fn when_the_next_in_line_leaves_the_one_behind_is_woken_in_time() {
    let limit = patient(per_second(1), 1, 10);
    let guard = limit.clone().layer();
    let call = || Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))));
    call().await.unwrap();
    let start = Instant::now();
    let (mut first, mut second) = (call(), call());
    assert!(futures_util::poll!(&mut first).is_pending() && futures_util::poll!(&mut second).is_pending());
    drop(first);
    second.await.unwrap();
    assert!(Instant::now().since(start) <= 1002 * MILLISECOND);
}

/// A faster rate helps those who wait at once, and not only from the next call on; so does a permit that is given back.
#[tokio::test(start_paused = true)]
async fn those_who_wait_hear_of_a_faster_rate_and_of_permits_that_are_given_back() {
    let limit = patient(Rate::per_hour(1).unwrap(), 1, 10);
    let guard = limit.clone().layer();
    let call = || Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))));
    call().await.unwrap();
    let mut waits = spawn_call(&guard);
    tokio::time::advance(MILLISECOND).await;
    assert!(futures_util::poll!(&mut waits).is_pending());
    limit.set_rate(per_second(10)).unwrap();
    let start = Instant::now();
    waits.await.unwrap().unwrap();
    assert!(Instant::now().since(start) <= 110 * MILLISECOND);

    limit.set_rate(Rate::per_hour(1).unwrap()).unwrap();
    tokio::time::advance(Duration::from_secs(7200)).await;
    let (now, mut none) = (Instant::now(), None);
    let permits = Admit::<()>::enter(&limit, &(), now, &mut none).unwrap();
    let waits = spawn_call(&guard);
    tokio::time::advance(Duration::ZERO).await;
    assert_eq!(limit.waiting(), 1);
    limit.undo(permits, now);
    waits.await.unwrap().unwrap();
    assert_eq!(Instant::now(), now);
}

/// A full line rejects with the time after which there is a permit; who waits too long is told so; a deadline is looked at.
#[tokio::test(start_paused = true)]
async fn a_line_is_bounded_in_number_and_in_time() {
    let builder = RateLimit::builder("search", per_second(1)).burst(1).queue(1);
    let limit = builder.max_wait(300 * MILLISECOND).build().unwrap();
    let guard = limit.clone().layer();
    let call = || Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))));
    call().await.unwrap();
    let mut waits = call();
    assert!(futures_util::poll!(&mut waits).is_pending());
    let full = *call().await.unwrap_err().rejected().unwrap();
    assert_eq!((full.why(), full.retry_after()), (Why::RateLimited, Some(SECOND)));
    assert_eq!(waits.await.unwrap_err().rejected().unwrap().why(), Why::Waited);
    assert_eq!(limit.waiting(), 0);
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_wait_and_over_http_a_rejection_is_a_429() {
    use cofferdam::Context as _;
    use http::{Request, StatusCode, header::RETRY_AFTER};

    let builder = RateLimit::builder("search", Rate::per_minute(6).unwrap()).burst(1);
    let patient = builder.clone().queue(10).max_wait(60 * SECOND).deadline().build().unwrap();
    let guard = patient.layer();
    let mut request = Request::new(());
    request.set_deadline(Deadline::after(SECOND));
    let call = || guard.call(&request, || ready(Ok::<_, ()>(())));
    call().await.unwrap();
    assert_eq!(call().await.unwrap_err().rejected().unwrap().why(), Why::Expired);

    let web = service_fn(|_: Request<()>| ready(Ok::<_, BoxError>(http::Response::new(String::new()))));
    let service = builder.build().unwrap().layer().http().layer(web);
    assert_eq!(service.clone().oneshot(Request::new(())).await.unwrap().status(), StatusCode::OK);
    let rejected = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(rejected.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(rejected.headers()[RETRY_AFTER], "10");
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

/// A key that has used its permits is not forgotten when others need the room, and so does not come back with new ones.
#[test]
fn defect_152_a_key_that_is_limited_is_not_forgotten() {
    let template = limit(per_second(1), 2);
    let builder = Keyed::builder(template).by(|tenant: &u64| *tenant).capacity(16);
    let limits = builder.when_full(WhenFull::Reject).build().unwrap();
    let start = Instant::now();
    assert!((0..2).all(|_| limits.admit(&7, start).is_ok()));
    assert_eq!(why(limits.admit(&7, start).map(drop)), Why::RateLimited);
    // A flood of keys that nobody has seen: each uses a permit, so all are kept, and the rest find no room.
    for tenant in 1000..101_000 {
        let _ = limits.admit(&tenant, start);
        assert!(limits.len() <= 16);
    }
    assert_eq!(why(limits.admit(&7, start).map(drop)), Why::RateLimited, "it is still known");
    assert_eq!(why(limits.admit(&5, start).map(drop)), Why::Crowded);
    // With time their permits are back, and then they make room.
    let later = start.after(SECOND);
    assert!(limits.admit(&5, later).is_ok());
    assert!(limits.admit(&7, later).is_ok() && limits.admit(&7, later).is_err(), "one of its two is back");
    let much_later = start.after(10 * SECOND);
    assert!((2000..2016).all(|tenant| limits.admit(&tenant, much_later).is_ok()));
    assert_eq!(limits.len(), 16);
}

/// What is in a group, or runs dry, is asked as well; and a limit that is fresh is like one that was just built.
#[test]
fn what_has_been_used_is_not_fresh_whatever_is_around_it() {
    let now = Instant::now();
    let limit = limit(per_second(1), 2);
    let around = (Some(Arc::new(cofferdam::Shadow::new(limit.clone().weighted(|(): &()| 1)))), ());
    assert!(around.is_fresh(now));
    Admit::<()>::admit(&limit, &(), now).unwrap();
    assert!(!around.is_fresh(now) && limit.fresh().is_fresh(now));
    assert!(around.is_fresh(now.after(SECOND)));
}

/// The key is what the function says, and there is none by default: what strangers put into a header changes nothing
/// unless that function reads it.
#[cfg(feature = "http")]
#[test]
fn defect_155_the_key_is_nothing_that_strangers_choose() {
    use http::Request;

    #[derive(Clone)]
    struct Peer(u32);

    let peer = |request: &Request<()>| request.extensions().get::<Peer>().map(|peer| peer.0);
    let limits = Keyed::builder(limit(per_second(1), 1)).by(peer).build().unwrap();
    let now = Instant::now();
    let admitted = (0..100).filter(|nth| {
        let mut request = Request::builder().header("x-forwarded-for", format!("10.0.0.{nth}")).body(()).unwrap();
        request.extensions_mut().insert(Peer(1));
        limits.admit(&request, now).is_ok()
    });
    assert_eq!(admitted.count(), 1);
}

/// The rate goes to and fro a thousand times a second: in the long run no more come in than under the faster of the two.
#[test]
fn defect_159_changing_the_rate_earns_nobody_a_burst() {
    type Setting = (u32, u32);
    let cases: [(Setting, Setting); 4] =
        [((10, 10), (100, 100)), ((10, 10), (10, 1000)), ((100, 1), (1, 100)), ((50, 50), (50, 50))];
    for (one, other) in cases {
        let (limit, start) = (limit(per_second(one.0), one.1), Instant::now());
        drain(&limit, start);
        let mut admitted = 0;
        for millis in 1..=20_000_u64 {
            let now = start.after(Duration::from_millis(millis));
            let (rate, burst) = if millis % 2 == 0 { one } else { other };
            limit.configure_at(now, |settings| settings.rate(per_second(rate)).burst(burst)).unwrap();
            admitted += drain(&limit, now);
        }
        let most = 20 * one.0.max(other.0) + 1;
        assert!(admitted <= most, "{one:?} {other:?}: {admitted} of {most}");
    }
}

/// What has been used stays used as a share, and what is free never becomes more.
#[test]
fn defect_159_what_has_been_used_stays_used() {
    let (limit, now) = (limit(per_second(10), 10), Instant::now());
    let weighted = limit.clone().weighted(|weight: &u32| *weight);
    weighted.admit(&5, now).unwrap();
    let change = |burst: u32| limit.configure_at(now, |settings| settings.burst(burst)).unwrap();
    change(4);
    assert_eq!(limit.free_at(now), 2, "half of it");
    change(100);
    assert_eq!(limit.free_at(now), 2, "no more than there were");
    limit.configure_at(now, |settings| settings.rate(per_second(1000))).unwrap();
    assert_eq!(limit.free_at(now), 2);
    assert_eq!(limit.free_at(now.after(98 * MILLISECOND)), 100);
    assert!(limit.configure_at(now, |settings| settings.burst(0)).is_err());
    assert_eq!((limit.burst(), limit.rate()), (100, per_second(1000)));
}

/// Cold, it lets a third through; under full load it climbs evenly; and what is not used cools down.
#[test]
fn a_cold_limit_warms_up_under_load_and_cools_down_without() {
    let warming = RateLimit::builder("cache", per_second(90)).burst(9).warm_up(30 * SECOND).build().unwrap();
    let start = Instant::now().after(3600 * SECOND);
    assert_eq!(warming.free_at(start), 3, "a third of the burst");
    let load = |from: Instant, seconds: u32| {
        let millis = (0..u64::from(seconds) * 1000).map(|millis| from.after(Duration::from_millis(millis)));
        millis.map(|now| drain(&warming, now)).sum::<u32>()
    };
    // 30 per second at first and 90 in the end: in each second of the climb two more than in the one before.
    let mut at = start;
    for second in 0..40 {
        let admitted = load(at, 1);
        let expected = if second < 30 { 31 + 2 * second } else { 90 };
        let burst = if second == 0 { 9 } else { 0 };
        assert!(admitted.abs_diff(expected) <= 4 + burst, "second {second}: {admitted}, not {expected}");
        at = at.after(SECOND);
    }
    assert_eq!(warming.free_at(at.after(SECOND)), 8, "a moment without load makes little difference");
    // Idle for half of the warm-up, it is half cold; for all of it, wholly.
    assert_eq!(warming.free_at(at.after(15 * SECOND)), 6);
    assert_eq!(warming.free_at(at.after(31 * SECOND)), 3);
    let admitted = load(at.after(31 * SECOND), 1);
    assert!((30..40).contains(&admitted), "{admitted}");
}

/// What asks for more than a cold limit has at once is let in when nothing else is: it would wait forever.
#[test]
fn a_cold_limit_lets_in_what_a_warm_one_would() {
    let builder = RateLimit::builder("cache", per_second(10)).burst(10);
    let limit = builder.warm_up(10 * SECOND).cold_factor(5).build().unwrap();
    let weighted = limit.clone().weighted(|weight: &u32| *weight);
    let now = Instant::now();
    let first = weighted.admit(&10, now).unwrap();
    assert_eq!(weighted.admit(&1, now).unwrap_err().why(), Why::RateLimited);
    weighted.undo(first, now);
    assert_eq!(limit.free_at(now), 2);
}

/// A warm-up that is switched on while it runs takes the limit for warm, and one that is changed keeps its share.
#[test]
fn a_warm_up_may_come_and_go() {
    let (limit, now) = (limit(per_second(90), 9), Instant::now());
    let change = |time: Option<Duration>| limit.configure_at(now, |settings| settings.warm_up(time)).unwrap();
    change(Some(30 * SECOND));
    assert_eq!(limit.free_at(now), 9);
    let later = now.after(15 * SECOND);
    assert_eq!(limit.free_at(later), 6);
    limit.configure_at(later, |settings| settings.warm_up(60 * SECOND)).unwrap();
    assert!(limit.free_at(later) >= 5 && limit.free_at(later.after(15 * SECOND)) >= 4);
    limit.configure_at(later, |settings| settings.warm_up(None)).unwrap();
    assert_eq!(limit.free_at(later.after(SECOND)), 9);
}

/// Operators read and change it by name, as text.
#[test]
fn operators_read_and_change_it_by_name() {
    let limit = limit(per_second(100), 20);
    let control: &dyn Control = &limit;
    assert_eq!((control.name().as_str(), control.state().as_str()), ("search", "20 of 20 free"));
    let settings = control.settings();
    let all: Vec<_> = settings.iter().map(|setting| (setting.name, setting.value.as_str())).collect();
    assert_eq!(all, [("rate", "100 per 1s"), ("burst", "20"), ("warm_up", "none"), ("cold_factor", "3")]);
    for setting in &settings {
        control.configure(setting.name, &setting.value).unwrap();
    }
    control.configure("rate", "6000 per 1m").unwrap();
    control.configure("warm_up", "30s").unwrap();
    assert_eq!(limit.rate(), Rate::per_minute(6000).unwrap());
    for (setting, value) in
        [("rate", "100"), ("rate", "0 per 1s"), ("burst", "0"), ("cold_factor", "1"), ("state", "1")]
    {
        assert!(control.configure(setting, value).is_err(), "{setting} {value}");
    }
    assert!(control.force("open").is_err());

    let patient: Box<dyn Control> = Box::new(patient(per_second(1), 1, 10).weighted(|(): &()| 1));
    assert_eq!(patient.state(), "1 of 1 free, 0 waiting");
    assert_eq!(patient.settings().len(), 7);
    patient.configure("queue", "20").unwrap();
}

/// A change of the rate is an event: in permits per day, which say of any rate something.
#[test]
fn observers_hear_of_changes_and_rejections() {
    use cofferdam::{Event, What, observe};

    let builder = RateLimit::builder("rate-of-this-test", per_second(1)).burst(1);
    let limit = builder.build().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let writes = Arc::clone(&heard);
    let _subscription = observe(move |event: &Event| {
        if event.by.as_str() == "rate-of-this-test" {
            writes.lock().unwrap().push(event.what);
        }
    });
    limit.set_rate(Rate::per_minute(1).unwrap()).unwrap();
    limit.set_rate(Rate::per_minute(1).unwrap()).unwrap();
    let heard = heard.lock().unwrap();
    assert!(matches!(heard[..], [What::LimitChanged { from: 86_400, to: 1_440, .. }]), "{heard:?}");
}

/// A breaker in the same group: a call in line takes nothing from the breaker, and is judged by it when its turn has come.
#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_meanwhile_rejects_who_has_waited_and_the_permit_is_kept_for_others() {
    let (breaker, limit) = (CircuitBreaker::builder("search").build().unwrap(), patient(per_second(1), 1, 10));
    let guard = guard((limit.clone(), breaker.clone()));
    let call = || Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))));
    call().await.unwrap();
    let waits = spawn_call(&guard);
    tokio::time::advance(MILLISECOND).await;
    assert_eq!(limit.waiting(), 1);
    breaker.force_open();
    assert_eq!(waits.await.unwrap().unwrap_err().rejected().unwrap().why(), Why::Open);
    assert_eq!(limit.free(), 1, "what it took it gave back");
}
