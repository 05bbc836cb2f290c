//! What really broke in circuit breakers, one story for each: every one of them was somebody's outage.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

use std::{
    future::pending,
    pin::pin,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use cofferdam::{
    Admit, BoxError, BreakerState, CircuitBreaker, Ended, Instant, Outcome, Policy, Refused, Rejected, Timeout, Why,
    breaker::Builder, guard,
};
use tokio::time::{advance, sleep};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

type Token = <CircuitBreaker as Policy>::Token;

fn at(millis: u64) -> Instant {
    Instant::ORIGIN.after(ms(millis))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Opens at the first failure, for a second, and needs one probe to close, at once.
fn touchy() -> Builder {
    CircuitBreaker::builder("payments")
        .consecutive_failures(1)
        .open_time(ms(1_000))
        .open_time_growth(1.0)
        .open_time_jitter(0.0)
        .probes(1)
        .ramp(None)
}

fn admit(breaker: &CircuitBreaker, millis: u64) -> Result<Token, Rejected> {
    breaker.admit(&(), at(millis))
}

fn settle(breaker: &CircuitBreaker, token: Token, outcome: Outcome, millis: u64) {
    breaker.settle(token, &Ended::new(outcome, at(millis), at(millis)));
}

/// A call that takes no time.
fn call(breaker: &CircuitBreaker, outcome: Outcome, millis: u64) {
    settle(breaker, admit(breaker, millis).expect("calls flow"), outcome, millis);
}

/// Open, since time zero.
fn open(builder: Builder) -> CircuitBreaker {
    let breaker = builder.build().expect("the settings make sense");
    call(&breaker, Outcome::Failure, 0);
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A probe ends in something that says nothing about the dependency. Its place goes to the next call.
#[test]
fn defect_39_a_probe_that_is_ignored_gives_its_place_back() {
    let breaker = open(touchy());
    for nth in 0..100 {
        // None of them says anything, and all of them may try.
        let outcome = if nth % 2 == 0 { Outcome::Ignored } else { Outcome::Abandoned };
        let probe = admit(&breaker, 1_000 + nth).expect("the place is free again");
        settle(&breaker, probe, outcome, 1_000 + nth);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }
    // The first that succeeds closes it.
    call(&breaker, Outcome::Success, 2_000);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

/// A probe is cancelled before its first poll, or after any of its polls.
#[tokio::test(start_paused = true)]
async fn defect_40_a_probe_that_is_cancelled_gives_its_place_back() {
    let breaker = touchy().build().unwrap();
    let guard = breaker.clone().layer();
    let failed: Result<(), _> = guard.call(&(), || async { Err::<(), _>("down") }).await;
    assert_eq!(failed, Err(Refused::Inner("down")));
    advance(ms(1_000)).await;

    for polls in 0..=5 {
        let mut probe = Box::pin(guard.call(&(), pending::<Result<(), &str>>));
        for _ in 0..polls {
            assert!(poll_once(probe.as_mut()).is_pending());
        }
        // While it is out nobody else gets through, and as soon as it is dropped somebody does.
        assert!(matches!(guard.call(&(), || async { Ok::<_, &str>(()) }).await, Err(Refused::Rejected(_))));
        drop(probe);
    }
    assert_eq!(guard.call(&(), || async { Ok::<_, &str>(()) }).await, Ok(()));
    assert_eq!(breaker.state(), BreakerState::Closed);
}

/// A probe hangs. When its lease is over another one is sent, and what becomes of the first decides nothing any more.
#[test]
fn defect_41_a_probe_that_never_ends_does_not_wedge_the_breaker() {
    let breaker = open(touchy().probe_lease(ms(10_000)));
    let hung = admit(&breaker, 1_000).unwrap();
    assert_eq!(admit(&breaker, 10_999).unwrap_err().why(), Why::Probing);
    let second = admit(&breaker, 11_000).expect("the lease of the first is over");

    // The first one fails at last: nothing follows from it, and no place is won by it.
    settle(&breaker, hung, Outcome::Failure, 11_001);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert!(admit(&breaker, 11_001).is_err());

    settle(&breaker, second, Outcome::Success, 11_002);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

/// One probe every two seconds, a window of one second, and a minimum that is never reached: the probes are counted by
/// themselves.
#[test]
fn defect_42_the_window_has_no_say_in_half_open() {
    let builder = touchy().probes(10).probe_failure_ratio(0.5).window(ms(1_000)).minimum_calls(100);
    let breaker = open(builder.clone());
    for nth in 0..5 {
        assert_ne!(breaker.state(), BreakerState::Closed, "after {nth} probes");
        call(&breaker, Outcome::Success, 1_000 + 2_000 * nth);
    }
    // Five more could all fail, and that would be half of them.
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    call(&breaker, Outcome::Success, 20_000);
    assert_eq!(breaker.state(), BreakerState::Closed);

    // And the other way round: after a success the fifth failure of ten is half of them.
    let breaker = open(builder);
    call(&breaker, Outcome::Success, 1_000);
    for nth in 0..4 {
        call(&breaker, Outcome::Failure, 1_000 + 2_000 * nth);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }
    call(&breaker, Outcome::Failure, 20_000);
    assert_eq!(breaker.state(), BreakerState::Open);
}

/// Ten thousand callers wait for the end of the open time, and the dependency still hangs.
#[tokio::test(start_paused = true)]
async fn defect_43_a_crowd_does_not_storm_half_open() {
    let breaker = touchy().probes(3).probe_failure_ratio(1.0).build().unwrap();
    let reached = AtomicUsize::new(0);
    let guard = breaker.clone().layer();
    let failed: Result<(), _> = guard.call(&(), || async { Err::<(), _>("down") }).await;
    assert!(failed.is_err());
    advance(ms(1_000)).await;

    let mut inside = Vec::new();
    for _ in 0..10_000 {
        let mut call = Box::pin(guard.call(&(), || {
            reached.fetch_add(1, Ordering::SeqCst);
            pending::<Result<(), &str>>()
        }));
        match poll_once(call.as_mut()) {
            Poll::Pending => inside.push(call),
            // The others are told when to come back.
            Poll::Ready(Err(Refused::Rejected(rejected))) => assert!(rejected.retry_after() > Some(Duration::ZERO)),
            Poll::Ready(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((reached.load(Ordering::SeqCst), inside.len()), (1, 1));
}

/// A hundred threads at the moment at which the open time is over: exactly so many probes, and exactly so many
/// successes until it closes.
#[test]
fn defect_44_so_many_probes_are_so_many() {
    for probes in [1_usize, 2, 10] {
        let breaker = open(touchy().probes(probes as u32).probe_failure_ratio(1.0 / probes as f64));
        // Of ten, nine are out at once, after the first.
        if probes > 1 {
            call(&breaker, Outcome::Success, 1_000);
        }
        let left = if probes > 1 { probes - 1 } else { 1 };
        let (start, tokens) = (Barrier::new(100), std::sync::Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    start.wait();
                    if let Ok(token) = admit(&breaker, 1_000) {
                        tokens.lock().unwrap().push(token);
                    }
                });
            }
        });
        let tokens = tokens.into_inner().unwrap();
        assert_eq!(tokens.len(), left);

        // The first that fails is the verdict, and those that are late change nothing.
        for token in tokens {
            settle(&breaker, token, Outcome::Failure, 1_001);
            assert_eq!(breaker.state(), BreakerState::Open);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }
}

/// A hundred calls of the time before the outage end when it is being probed, some well, some not.
#[test]
fn defect_45_ends_of_an_older_generation_move_nothing() {
    let breaker = touchy().probes(2).probe_failure_ratio(1.0).build().unwrap();
    let mut old: Vec<Token> = (0..100).map(|_| admit(&breaker, 0).unwrap()).collect();
    call(&breaker, Outcome::Failure, 0);
    let probe = admit(&breaker, 1_000).unwrap();

    // In an order that is not theirs.
    for nth in 0..100_usize {
        let token = old.swap_remove(nth * 37 % old.len());
        settle(&breaker, token, if nth % 3 == 0 { Outcome::Success } else { Outcome::Failure }, 1_000);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }
    settle(&breaker, probe, Outcome::Success, 1_001);
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert_eq!(breaker.counts_at(at(1_001)).calls, 0, "they are not in the new window either");
}

/// Failures that were on their way keep coming in while it is open. The open time counts from the opening.
#[test]
fn defect_46_late_failures_do_not_wind_the_open_time_up_again() {
    let breaker = touchy().build().unwrap();
    let late: Vec<Token> = (0..50).map(|_| admit(&breaker, 0).unwrap()).collect();
    call(&breaker, Outcome::Failure, 0);
    for (nth, token) in late.into_iter().enumerate() {
        let now = 19 * nth as u64;
        let mut ended = Ended::new(Outcome::Overload, at(0), at(now));
        ended.retry_after = Some(ms(100_000));
        breaker.settle(token, &ended);
        assert_eq!(admit(&breaker, now).unwrap_err().retry_after(), Some(ms(1_000 - now)));
    }
    assert!(breaker.admit(&(), at(1_000).after(Duration::ZERO)).is_ok(), "on the dot");
}

/// Threads end calls well and badly and come again, all at once. Whatever came of it, after the open time somebody gets
/// through.
#[test]
fn defect_47_no_mixture_of_ends_leaves_it_open_for_good() {
    let breaker = touchy().build().unwrap();
    for round in 0..200_u64 {
        let now = round * 1_000_000;
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for nth in 0..4 {
                let (start, breaker) = (&start, &breaker);
                scope.spawn(move || {
                    start.wait();
                    for turn in 0..20 {
                        if let Ok(token) = admit(breaker, now + turn) {
                            let outcome = if (turn + nth) % 3 == 0 { Outcome::Failure } else { Outcome::Success };
                            settle(breaker, token, outcome, now + turn);
                        }
                    }
                });
            }
        });
        assert!(admit(&breaker, now + 500_000).is_ok(), "round {round}: {breaker:?}");
    }
}

/// The clock stands still at the very moment at which the open time is over, and the stack is small.
#[test]
fn defect_48_transitions_neither_recurse_nor_panic() {
    let breaker = open(touchy().probes(10).probe_failure_ratio(0.1));
    let start = Arc::new(Barrier::new(64));
    let threads: Vec<_> = (0..64)
        .map(|nth| {
            let (breaker, start) = (breaker.clone(), Arc::clone(&start));
            let run = move || {
                start.wait();
                for turn in 0..1_000 {
                    if let Ok(token) = admit(&breaker, 1_000) {
                        let outcome = if (turn + nth) % 2 == 0 { Outcome::Failure } else { Outcome::Success };
                        settle(&breaker, token, outcome, 1_000);
                    }
                }
            };
            thread::Builder::new().stack_size(64 * 1024).spawn(run).unwrap()
        })
        .collect();
    for thread in threads {
        thread.join().expect("no thread panicked");
    }
}

/// Time passes on its own and changes nothing that somebody has forced. No task is needed for it to pass, either.
#[tokio::test(start_paused = true)]
async fn defect_49_forced_states_stay_and_nothing_runs_in_the_background() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let breaker = touchy().build().unwrap();
    let guard = breaker.clone().layer();
    let answer = || async { Ok::<_, &str>(()) };

    // Opened by a failure, and then by hand: an hour later it is still open.
    let failed: Result<(), _> = guard.call(&(), || async { Err::<(), _>("down") }).await;
    assert!(failed.is_err());
    breaker.force_open();
    sleep(ms(3_600_000)).await;
    assert!(matches!(guard.call(&(), answer).await, Err(Refused::Rejected(_))));
    assert_eq!((breaker.state(), tasks()), (BreakerState::ForcedOpen, before));

    // Closed by hand, failures do not open it; a reset gives it back to itself.
    breaker.force_closed();
    for _ in 0..10 {
        let _: Result<(), _> = guard.call(&(), || async { Err::<(), _>("down") }).await;
    }
    assert_eq!(guard.call(&(), answer).await, Ok(()));
    breaker.reset();
    assert_eq!(breaker.state(), BreakerState::Closed);
}

/// Every count is a count: after years, and after buckets have been used over and over, it is not below nothing.
#[test]
fn defect_51_counts_do_not_drift() {
    let breaker = touchy().window(ms(1_000)).slow_calls(ms(10), 1.0).build().unwrap();
    breaker.disable();
    let mut now = 0;
    for step in [0, 1, 99, 100, 101, 999, 1_000, 1_001, 10_000, 31_536_000_000] {
        for outcome in [Outcome::Success, Outcome::Failure, Outcome::Overload] {
            let token = admit(&breaker, now).unwrap();
            breaker.settle(token, &Ended::new(outcome, at(now), at(now + 10)));
        }
        let counts = breaker.counts_at(at(now + 10));
        assert!(counts.calls >= 3 && counts.slow == counts.calls && counts.failures * 3 == counts.calls * 2);
        now += step;
    }
    let counts = breaker.counts_at(at(now + 1_000));
    assert_eq!((counts.calls, counts.failures, counts.slow), (0, 0, 0));
}

/// Five failures and five successes, of ten, at fifty percent: it opens with the tenth, which is a success. At the edge of
/// a bucket it is the same.
#[test]
fn defect_52_the_call_that_ends_is_part_of_the_decision() {
    for window in [touchy().window_calls(10), touchy().window(ms(1_000))] {
        let breaker = window.consecutive_failures(None).failure_ratio(0.5).minimum_calls(10).build().unwrap();
        for nth in 0..10 {
            assert_eq!(breaker.state(), BreakerState::Closed, "after {nth} calls");
            call(&breaker, if nth < 5 { Outcome::Failure } else { Outcome::Success }, 0);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }
    // The second failure comes a nanosecond before, at and after the edge of the bucket of the first.
    for offset in [99_999_999, 100_000_000, 100_000_001] {
        let breaker = touchy().consecutive_failures(None).minimum_calls(2).window(ms(1_000)).build().unwrap();
        call(&breaker, Outcome::Failure, 0);
        let now = Instant::ORIGIN.after(Duration::from_nanos(offset));
        let token = breaker.admit(&(), now).unwrap();
        breaker.settle(token, &Ended::new(Outcome::Failure, now, now));
        assert_eq!(breaker.state(), BreakerState::Open, "at {offset}");
    }
}

/// It closes after an outage: what was counted during the outage is not held against the dependency.
#[test]
fn defect_53_closing_begins_a_new_window() {
    let breaker = touchy().consecutive_failures(None).failure_ratio(0.5).minimum_calls(4).build().unwrap();
    for _ in 0..4 {
        call(&breaker, Outcome::Failure, 0);
    }
    assert_eq!(breaker.counts_at(at(0)).failures, 4, "while open it shows what opened it");
    call(&breaker, Outcome::Success, 1_000);
    assert_eq!(breaker.counts_at(at(1_000)).calls, 0);

    // Three failures are not enough for a verdict, the fourth is.
    for _ in 0..3 {
        call(&breaker, Outcome::Failure, 1_001);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
    call(&breaker, Outcome::Failure, 1_001);
    assert_eq!(breaker.state(), BreakerState::Open);
}

/// One call in five seconds, and all of them fail: a ratio over ten calls in ten seconds never sees enough of them, a run
/// of failures does.
#[test]
fn defect_55_at_low_traffic_a_run_of_failures_opens_it() {
    let rate = touchy().consecutive_failures(None).minimum_calls(10).window(ms(10_000)).build().unwrap();
    let both = touchy().consecutive_failures(5).minimum_calls(10).window(ms(10_000)).build().unwrap();
    for nth in 0..5 {
        assert_eq!(both.state(), BreakerState::Closed, "after {nth} failures");
        call(&both, Outcome::Failure, 5_000 * nth);
    }
    assert_eq!(both.state(), BreakerState::Open);
    for nth in 0..50 {
        call(&rate, Outcome::Failure, 5_000 * nth);
    }
    assert_eq!(rate.state(), BreakerState::Closed);
    // And one failed request of one is no outage.
    let fresh = CircuitBreaker::builder("payments").build().unwrap();
    call(&fresh, Outcome::Failure, 0);
    assert_eq!(fresh.state(), BreakerState::Closed);
}

/// Every millisecond a call, and the dependency hangs: with a timeout of a second the breaker opens just after a second,
/// rather than when the first call would have ended.
#[tokio::test(start_paused = true)]
async fn defect_56_calls_that_hang_open_it_within_their_timeout() {
    let breaker = CircuitBreaker::builder("payments").open_time_jitter(0.0).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(breaker.clone().layer())
        .layer(Timeout::builder("payments").attempt(ms(1_000)).build().unwrap())
        .service(service_fn(|()| pending::<Result<(), BoxError>>()));
    for nth in 0..2_000 {
        tokio::spawn(service.clone().oneshot(()));
        sleep(ms(1)).await;
        if breaker.state() == BreakerState::Open {
            // The first timeouts come after a second, and ten of them are enough.
            assert!((1_000..=1_020).contains(&nth), "after {nth} ms");
            return;
        }
    }
    panic!("it never opened");
}

/// The same hung calls are cancelled from outside, by somebody else's timeout: they were slow by then.
#[tokio::test(start_paused = true)]
async fn defect_56_calls_that_hang_open_it_even_if_a_timeout_outside_cancels_them() {
    let breaker = CircuitBreaker::builder("payments").slow_calls(ms(500), 0.9).build().unwrap();
    let guard = breaker.clone().layer();
    for _ in 0..10 {
        assert_eq!(breaker.state(), BreakerState::Closed);
        let call = guard.call(&(), pending::<Result<(), &str>>);
        assert!(tokio::time::timeout(ms(600), call).await.is_err());
    }
    assert_eq!(breaker.state(), BreakerState::Open);
}

/// Our own timeout is the dependency's failure, however deep in the error it is.
#[tokio::test(start_paused = true)]
async fn defect_57_a_timeout_further_in_is_a_failure() {
    let breaker = touchy().consecutive_failures(3).build().unwrap();
    let other = CircuitBreaker::builder("between").consecutive_failures(None).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(breaker.clone().layer())
        .layer(other.layer())
        .layer(Timeout::builder("payments").attempt(ms(100)).build().unwrap())
        .service(service_fn(|()| pending::<Result<(), BoxError>>()));
    for _ in 0..3 {
        let error = service.clone().oneshot(()).await.unwrap_err();
        assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::TimedOut);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
}

/// One function says what became of a call, and it is asked once for each: for `Ok` and for `Err`, in a service and out
/// of one. It is not asked about rejections.
#[tokio::test(start_paused = true)]
async fn defect_59_and_60_one_classifier_is_asked_once_about_everything() {
    let asked = Arc::new(AtomicU32::new(0));
    let breaker = touchy().consecutive_failures(4).build().unwrap();
    let guard = {
        let asked = Arc::clone(&asked);
        breaker.clone().layer().classify(move |answer: Result<&u32, &BoxError>| {
            asked.fetch_add(1, Ordering::SeqCst);
            // A bad answer is a failure, and a refusal is not.
            match answer {
                Ok(500) => Outcome::Failure,
                Ok(_) => Outcome::Success,
                Err(error) if error.to_string() == "not found" => Outcome::Success,
                Err(_) => Outcome::Failure,
            }
        })
    };
    let service = guard.layer(service_fn(|code: u32| async move {
        if code == 404 { Err::<u32, BoxError>("not found".into()) } else { Ok(code) }
    }));
    // Both of these are successes, whatever type they have.
    for code in [200, 404, 200] {
        let _ = service.clone().oneshot(code).await;
    }
    assert_eq!((asked.load(Ordering::SeqCst), breaker.counts().failures), (3, 0));

    // And these are failures: as answers and as errors, as a service and as a call.
    let _ = service.clone().oneshot(500).await;
    let _: Result<u32, _> = guard.call(&0, || async { Ok::<_, BoxError>(500) }).await;
    let _: Result<u32, _> = guard.call(&0, || async { Err::<u32, BoxError>("down".into()) }).await;
    let _ = service.clone().oneshot(500).await;
    assert_eq!((asked.load(Ordering::SeqCst), breaker.state()), (7, BreakerState::Open));

    // A rejection is not classified.
    assert!(service.oneshot(200).await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 7);
}

/// A rejection is told apart from a failure by its type, says when to come back, and is nobody's failure further out.
#[tokio::test(start_paused = true)]
async fn defect_61_a_rejection_says_what_it_is() {
    let outer = touchy().build().unwrap();
    let inner = touchy().build().unwrap();
    inner.force_open();
    let service = ServiceBuilder::new()
        .layer(outer.clone().layer())
        .layer(inner.clone().layer())
        .service(service_fn(|()| async { Ok::<_, BoxError>(()) }));
    for _ in 0..100 {
        let error = service.clone().oneshot(()).await.unwrap_err();
        let rejected = Rejected::find(error.as_ref()).expect("typed");
        assert_eq!((rejected.why(), rejected.outcome()), (Why::Open, Outcome::Ignored));
    }
    assert_eq!((outer.state(), outer.counts().calls), (BreakerState::Closed, 0));

    // One that has opened by itself knows for how long.
    let breaker = open(touchy());
    assert_eq!(admit(&breaker, 250).unwrap_err().retry_after(), Some(ms(750)));
}

/// All services of one layer share one breaker, routes of a router too. Another layer is another breaker.
#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn defect_63_one_layer_is_one_breaker() {
    use axum::{Router, body::Body, routing::get};
    use http::{Request, StatusCode};

    let app = |breaker: CircuitBreaker| {
        Router::new()
            .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
            .route("/fine", get(|| async { "fine" }))
            .layer(breaker.layer().http())
    };
    let get = async |app: &Router, path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap_or_else(|never: std::convert::Infallible| match never {}).status()
    };
    let (one, two) = (touchy().build().unwrap(), touchy().build().unwrap());
    let (first, clone_of_first, second) = (app(one.clone()), app(one), app(two));

    // One route of the first trips it: the other route is shut as well, and so is what has a clone of the breaker.
    assert_eq!(get(&first, "/fine").await, StatusCode::OK);
    assert_eq!(get(&first, "/broken").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(get(&first, "/fine").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&clone_of_first, "/fine").await, StatusCode::SERVICE_UNAVAILABLE);
    // Another breaker of the same name is another breaker.
    assert_eq!(get(&second, "/fine").await, StatusCode::OK);
}

/// A hundred callers at each tenth of the ramp: a dependency that has just come back gets a fifth of the load, and then
/// more. If it fails again soon, it is left alone for longer.
#[test]
fn defect_65_closing_does_not_let_everybody_in_at_once() {
    let builder = touchy().ramp(ms(10_000)).open_time_growth(2.0);
    let breaker = open(builder);
    call(&breaker, Outcome::Success, 1_000);
    assert_eq!(breaker.state(), BreakerState::Closed);
    for tenth in 0..10 {
        let through = (0..100).filter(|_| admit(&breaker, 1_000 + tenth * 1_000).is_ok()).count() as u64;
        let stated = 20 + 8 * tenth;
        assert!(through.abs_diff(stated) <= 1, "{through} of 100 after {tenth} s");
    }
    assert!((0..100).all(|_| admit(&breaker, 11_000).is_ok()));

    // It fails within ten seconds of closing: the same outage, and twice the open time.
    let breaker = open(touchy().open_time_growth(2.0));
    call(&breaker, Outcome::Success, 1_000);
    call(&breaker, Outcome::Failure, 10_999);
    assert_eq!(admit(&breaker, 10_999).unwrap_err().retry_after(), Some(ms(2_000)));
}

/// A thousand small clients, one call a second each, of which one in twenty fails: none of them sees an outage.
#[test]
fn defect_67_small_samples_are_no_verdict() {
    // A generator of its own, so that it is the same in every run.
    let mut state = 1_u64;
    let mut fails = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).is_multiple_of(20)
    };
    for client in 0..1_000 {
        let breaker = CircuitBreaker::builder("payments")
            .failure_ratio(0.5)
            .minimum_calls(20)
            .window(ms(30_000))
            .build()
            .unwrap();
        for second in 0..60 {
            call(&breaker, if fails() { Outcome::Failure } else { Outcome::Success }, second * 1_000);
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "client {client}");
    }
}

/// A half-open period is judged to its end by the settings it began with, also by what it calls slow.
#[test]
fn a_change_of_settings_does_not_change_a_half_open_period() {
    let breaker = open(touchy().slow_calls(ms(500), 1.0).probes(2).probe_failure_ratio(1.0));
    let probes = [admit(&breaker, 1_000).unwrap()];
    breaker.configure(|settings| settings.no_slow_calls().probes(1)).unwrap();
    assert!(admit(&breaker, 1_000).is_err());

    // It takes half a second, which was slow when it began.
    for probe in probes {
        breaker.settle(probe, &Ended::new(Outcome::Success, at(1_000), at(1_500)));
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    // The next period knows the new settings: one probe, and however slow.
    let probe = admit(&breaker, 2_500).unwrap();
    assert!(admit(&breaker, 2_500).is_err());
    breaker.settle(probe, &Ended::new(Outcome::Success, at(2_500), at(9_000)));
    assert_eq!(breaker.state(), BreakerState::Closed);
}

/// The ramp is switched off while it runs: all calls flow at once, also one whose clock was read before the closing.
#[test]
fn a_ramp_that_is_switched_off_holds_nobody_up() {
    let breaker = open(touchy().ramp(ms(10_000)));
    call(&breaker, Outcome::Success, 1_000);
    breaker.configure(|settings| settings.ramp(None)).unwrap();
    assert!((0..100).all(|_| admit(&breaker, 999).is_ok()));
}

/// A probe that panics in the user's code is a failure, and harms nothing else.
#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_is_a_failure() {
    let breaker = touchy().build().unwrap();
    let guard = guard(breaker.clone());
    let failed: Result<(), _> = guard.call(&(), || async { Err::<(), _>("down") }).await;
    assert!(failed.is_err());
    advance(ms(1_000)).await;

    let mut probe = pin!(guard.call(&(), || async { if true { panic!("in the probe") } else { Ok::<(), &str>(()) } }));
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll_once(probe.as_mut())));
    assert!(polled.is_err());
    assert_eq!(breaker.state(), BreakerState::Open);
    advance(ms(1_000)).await;
    assert_eq!(guard.call(&(), || async { Ok::<_, &str>(()) }).await, Ok(()));
    assert_eq!(breaker.state(), BreakerState::Closed);
}

/// A thousand clients see an outage begin in the same moment, and each has a call whenever it would probe. Their probes come
/// all the time, and not all at once.
#[test]
fn defect_223_the_probes_of_many_clients_do_not_come_at_once() {
    const SECONDS: u64 = 20;
    fastrand::seed(223);
    let default = || CircuitBreaker::builder("payments").consecutive_failures(1);
    let probes = |builder: &dyn Fn() -> Builder| {
        let breakers: Vec<_> = (0..1_000).map(|_| open(builder())).collect();
        let mut tenths = vec![0_u32; SECONDS as usize * 10];
        for millis in (1..SECONDS * 1_000).step_by(5) {
            for breaker in &breakers {
                if let Ok(probe) = admit(breaker, millis) {
                    tenths[millis as usize / 100] += 1;
                    settle(breaker, probe, Outcome::Failure, millis);
                }
            }
        }
        let mean = f64::from(tenths.iter().sum::<u32>()) / tenths.len() as f64;
        (f64::from(tenths.into_iter().max().unwrap()) / mean, mean * 10.0 / 1_000.0)
    };
    let (peak, each) = probes(&default);
    assert!(peak <= 3.0, "{peak} times the mean");
    assert!(each <= 1.0, "{each} probes a second and client");
    // Without any jitter they do.
    assert!(probes(&|| default().open_time_jitter(0.0)).0 > 9.0);
}
