//! What policies are told: settings, times, weights, headers, and what algorithms make of them; and what they tell.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    AdaptiveLimit, AdaptiveThrottle, Admit, BoxError, Budget, Bulkhead, CircuitBreaker, Control, Criticality, Deadline,
    Drain, Ended, Hedge, Instant, LoadShed, Outcome, Policy, Pool, Retry, Timeout, Weighted,
    context::Rank,
    limit::{Algorithm, Plan, Sample},
    presets::Config,
    weighted::AdmitWeighed,
};
use http::{Request, Response};
use tokio::time::advance;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{ms, poll, weight_of};

#[test]
fn settings_that_bound_each_other_are_put_back_whole() {
    // Given bounds that another pair of bounds lies below, or above
    for (min, max) in [("50", "100"), ("500", "1000")] {
        let stack = cofferdam::http::server("shop").set("shedding.min_limit", "200").build().unwrap();
        stack.apply(&Config::default().set("shedding.min_limit", "200").set("shedding.max_limit", "400")).unwrap();
        let before = stack.explain().to_string();
        // When one of several changes cannot be
        let change = |first: (&str, &str), second: (&str, &str)| {
            let config = Config::default().set(first.0, first.1).set(second.0, second.1).set("shedding.max_queue", "0");
            stack.apply(&config).unwrap_err().path()
        };
        let (min, max) = (("shedding.min_limit", min), ("shedding.max_limit", max));
        let path = if min.1 == "50" { change(min, max) } else { change(max, min) };
        // Then all are as they were
        assert_eq!(path, "shedding.max_queue");
        assert_eq!(stack.explain().to_string(), before);
    }
}

/// All that can be changed in text.
fn controls() -> Vec<Box<dyn Control>> {
    let pool = Pool::builder("edges").build().unwrap();
    vec![
        Box::new(CircuitBreaker::builder("edges").build().unwrap()),
        Box::new(Bulkhead::builder("edges").build().unwrap()),
        Box::new(Bulkhead::builder("edges").queue(10).build().unwrap()),
        Box::new(AdaptiveLimit::builder("edges").build().unwrap()),
        Box::new(LoadShed::builder(AdaptiveLimit::builder("edges").build().unwrap()).build().unwrap()),
        Box::new(AdaptiveThrottle::builder("edges").build().unwrap()),
        Box::new(pool.share("edges").unwrap()),
        Box::new(pool),
        Box::new(Drain::builder("edges").build().unwrap()),
        Box::new(Budget::builder("edges").build().unwrap()),
        Box::new(Retry::builder("edges").build().unwrap()),
        Box::new(Hedge::builder("edges").build().unwrap()),
        Box::new(Timeout::builder("edges").attempt(ms(10)).build().unwrap()),
        #[cfg(feature = "rate-limit")]
        Box::new(cofferdam::RateLimit::builder("edges", cofferdam::Rate::per_second(10).unwrap()).build().unwrap()),
        #[cfg(feature = "rate-limit")]
        Box::new(
            cofferdam::RateLimit::builder("edges", cofferdam::Rate::per_second(10).unwrap()).queue(5).build().unwrap(),
        ),
    ]
}

#[test]
fn no_text_is_taken_for_a_setting_that_it_is_not() {
    const TEXTS: [&str; 40] = [
        "",
        " ",
        "0",
        "-0",
        "-1",
        "1",
        "1.5",
        "+1",
        "00",
        "0x10",
        "1_000",
        "NaN",
        "-NaN",
        "inf",
        "-inf",
        "infinity",
        "1e400",
        "1e-400",
        "1e9",
        "4294967295",
        "4294967296",
        "2147483648",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
        "0s",
        "0ns",
        "1ns",
        "584y",
        "18446744073709551615s",
        "18446744073709551615h",
        "100ms",
        "876000h",
        "none",
        "yes",
        "fifo",
        "adaptive 0s",
        "adaptive 18446744073709551615s",
        "1ns 0",
        "1ns NaN",
    ];
    for control in controls() {
        for setting in control.settings() {
            for text in TEXTS {
                let before = control.settings();
                if control.configure(setting.name, text).is_err() {
                    assert_eq!(control.settings(), before, "{}: {text:?} changed something", setting.name);
                    continue;
                }
                // What it says it is set to is what it can be set to, and is then the same.
                let after = control.settings();
                for now in after.iter().filter(|now| now.name == setting.name) {
                    assert!(!now.value.contains("NaN") && !now.value.contains("inf"), "{now}");
                    control.configure(now.name, &now.value).unwrap();
                }
                assert_eq!(control.settings(), after, "{}: {text:?}", setting.name);
                let _ = control.state();
            }
            control.configure(setting.name, &setting.value).or_else(|_| control.configure(setting.name, "none")).ok();
        }
    }
}

#[test]
fn a_pool_is_read_while_calls_hold_more_than_a_number_has_room_for() {
    let pool = Pool::builder("wide").slots(10).build().unwrap();
    let heavy = |name: &str| pool.share(name).unwrap().weighted(weight_of);
    let (first, second) = (heavy("first"), heavy("second"));
    let now = Instant::now();
    let held = (first.admit(&u32::MAX, now).unwrap(), second.admit(&u32::MAX, now).unwrap());
    assert_eq!(pool.in_use(), u32::MAX);
    first.undo(held.0, now);
    second.undo(held.1, now);
    assert_eq!(pool.in_use(), 0);
}

/// Panics in its second window.
#[derive(Clone)]
struct Breaks(Arc<AtomicU32>);

impl Algorithm for Breaks {
    fn begin(&mut self, limit: u32) -> Plan {
        Plan::limit(limit).measure(1, 2).probe().look_again(ms(10), 1, Duration::MAX)
    }

    fn window(&mut self, sample: &Sample) -> Plan {
        let windows = self.0.fetch_add(1, Ordering::Relaxed);
        assert!(windows != 1, "this algorithm is wrong");
        Plan::limit(sample.limit + 1).look_again(ms(10), 1, Duration::MAX)
    }
}

#[tokio::test(start_paused = true)]
async fn an_algorithm_that_panics_harms_the_call_that_it_is_told_of_and_is_asked_again() {
    let windows = Arc::new(AtomicU32::new(0));
    let limit =
        AdaptiveLimit::builder("breaks").algorithm(Breaks(Arc::clone(&windows))).initial_limit(4).build().unwrap();
    let mut panics = 0;
    for _ in 0..100 {
        let now = Instant::now();
        let token = limit.admit(&(), now).unwrap();
        advance(ms(5)).await;
        let end = || limit.settle(token, &Ended::new(Outcome::Success, now, Instant::now()));
        panics += u32::from(catch_unwind(AssertUnwindSafe(end)).is_err());
    }
    assert_eq!(panics, 1);
    assert_eq!(limit.in_flight(), 0, "no slot is lost");
    assert!(windows.load(Ordering::Relaxed) > 10 && limit.limit() > 10, "it goes on to learn: {}", limit.limit());
}

#[tokio::test]
async fn an_error_says_by_itself_why_a_call_was_rejected() {
    let slots = Bulkhead::builder("reports").limit(1).build().unwrap();
    let service =
        ServiceBuilder::new().layer(slots.clone().layer()).service(service_fn(|()| pending::<Result<(), BoxError>>()));
    let mut first = pin!(service.clone().oneshot(()));
    assert!(poll(first.as_mut()).is_pending());
    let error = service.oneshot(()).await.unwrap_err();
    assert_eq!(error.to_string(), "the call was not answered: no slot is free");
}

#[test]
fn what_is_printed_of_a_handle_can_be_read() {
    let stack = cofferdam::http::server("shop").build().unwrap();
    let breaker = CircuitBreaker::builder("shop").build().unwrap();
    for text in [format!("{:?}", breaker.clone().layer()), format!("{breaker:?}"), format!("{stack:?}")] {
        assert!(text.len() < 8_000, "{} bytes: {text}", text.len());
    }
}

/// Calls that begin and end at these times, in an order that no clock keeps.
fn at_any_time<P: Admit<()>>(policy: &P) {
    let times: Vec<Instant> = (0..64).map(|bit| Instant::ORIGIN.after(Duration::from_nanos(1 << bit))).collect();
    let times: Vec<Instant> = times.into_iter().chain([Instant::ORIGIN, Instant::NEVER, Instant::now()]).collect();
    let outcomes = [Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned];
    let mut chosen = 1_usize;
    let mut choose = |from: usize| {
        chosen = chosen.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
        (chosen >> 8) % from
    };
    for _ in 0..20_000 {
        let (began, head, ended) = (times[choose(67)], times[choose(67)], times[choose(67)]);
        let _ = policy.shut(|| began);
        let Ok(token) = policy.admit(&(), began) else { continue };
        match choose(4) {
            0 => policy.undo(token, ended),
            1 => policy.settle(token, &Ended::new(outcomes[choose(5)], began, ended)),
            _ => {
                policy.head(&token, began, head);
                let mut ended = Ended::new(outcomes[choose(5)], began, ended);
                ended.head = Some(head);
                policy.settle(token, &ended);
            }
        }
    }
}

#[test]
fn no_time_that_a_policy_is_told_is_too_much_for_it() {
    at_any_time(&CircuitBreaker::builder("time").build().unwrap());
    at_any_time(&CircuitBreaker::builder("time").window(ms(1)).build().unwrap());
    let throttle =
        AdaptiveThrottle::builder("time").rank(|(): &()| cofferdam::context::Rank::of(Criticality::Critical, None));
    at_any_time(&throttle.build().unwrap());
    let limit = AdaptiveLimit::builder("time").build().unwrap();
    at_any_time(&limit);
    let pool = Pool::builder("time").build().unwrap();
    at_any_time(&pool.share("time").unwrap());
    assert_eq!((limit.in_flight(), pool.in_use()), (0, 0));
    #[cfg(feature = "rate-limit")]
    for warm_up in [None, Some(Duration::from_secs(60))] {
        let limit = cofferdam::RateLimit::builder("time", cofferdam::Rate::per_second(10).unwrap());
        let limit = warm_up.map_or_else(|| limit.clone().build(), |warm_up| limit.clone().warm_up(warm_up).build());
        at_any_time(&limit.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn an_edge_believes_no_stranger_and_tells_nobody_further_in() {
    use cofferdam::{Context as _, ContextHeaders, TaskKey, context::Trust};

    let trust = Trust::builder().deadlines(false).tasks(false).highest_criticality(Criticality::SheddablePlus);
    let trust = trust.default_deadline(ms(5_000)).build().unwrap();
    let stack = cofferdam::http::server("edge").trust(trust).build().unwrap();
    let service = stack.layer(service_fn(|request: Request<()>| async move {
        assert!(request.headers().is_empty(), "{:?}", request.headers());
        assert_eq!(request.criticality(), Some(Criticality::SheddablePlus));
        assert_eq!((request.task(), request.deadline().map(Deadline::remaining)), (None, Some(ms(5_000))));
        Ok::<_, BoxError>(Response::new(http_body_util::Empty::<Bytes>::new()))
    }));
    let request = Request::get("/").header("x-request-timeout-ms", "1").header("x-request-task", "mine");
    let request = request.header("x-request-criticality", "CRITICAL_PLUS").body(()).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
    assert_eq!((trust.deadline("1S"), trust.deadline_in_millis("1000")), (None, None));
    assert!(stack.explain().to_string().contains("deadlines              no"));

    // And what is said to somebody else is nothing at all.
    let mut request = Request::new(());
    request.set_deadline(Deadline::after(ms(10)));
    request.set_task(TaskKey::of("order"));
    request.set_criticality(Criticality::Critical);
    let weather = ContextHeaders::none().outbound().layer(service_fn(|request: Request<()>| async move {
        assert!(request.headers().is_empty(), "{:?}", request.headers());
        Ok::<_, BoxError>(())
    }));
    weather.oneshot(request).await.unwrap();
}

/// One function weighs requests for whatever counts them, so a request weighs the same all the way in.
#[test]
fn one_function_weighs_requests_for_every_policy() {
    fn takes(what: &str, policy: impl AdmitWeighed<u32>, in_use: impl Fn() -> u32) {
        let (weighted, now) = (Weighted::new(policy, weight_of), Instant::now());
        let three = weighted.admit(&3, now).unwrap();
        assert_eq!(in_use(), 3, "{what}");
        weighted.undo(three, now);
        assert_eq!(in_use(), 0, "{what}");
    }
    let slots = Bulkhead::builder("told").limit(5).build().unwrap();
    takes("bulkhead", slots.clone(), || slots.in_flight());
    let limit = AdaptiveLimit::builder("told").build().unwrap();
    takes("limit", limit.clone(), || limit.in_flight());
    let shed = LoadShed::builder(AdaptiveLimit::builder("told").build().unwrap());
    let shed = shed.rank(|_: &u32| Rank::of(Criticality::Critical, None)).build().unwrap();
    takes("shedding", shed.clone(), || shed.limit().in_flight());
    let pool = Pool::builder("told").slots(10).build().unwrap();
    takes("pool", pool.share("told").unwrap(), || pool.in_use());
    #[cfg(feature = "rate-limit")]
    {
        let rate = cofferdam::Rate::per_minute(1).unwrap();
        let limit = cofferdam::RateLimit::builder("told", rate).burst(5).build().unwrap();
        takes("rate limit", limit.clone(), || 5 - limit.free());
    }
}
