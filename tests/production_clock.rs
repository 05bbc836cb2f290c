//! The clock of production: without `test-util` it is the system's own, and nobody can stop it.
#![allow(missing_docs)]
#![cfg(not(feature = "test-util"))]

mod support;

use std::time::Duration;

use cofferdam::{BoxError, BreakerState, CircuitBreaker, Deadline, Instant, Policy, Rejected, Timeout, Why};
use support::{Ask, Asks, Probe, Script, settled, within};
use tower::{Layer, ServiceExt};

/// Waits, without sleeping, until the crate's own clock has moved that far.
async fn until(moment: Instant) {
    let moves = async {
        while Instant::now() < moment {
            tokio::task::yield_now().await;
        }
    };
    within("time to pass", moves).await;
}

#[tokio::test]
async fn the_clock_moves_and_never_back() {
    // Given a million readings
    let first = Instant::now();
    let mut last = first;
    for _ in 0..1_000_000 {
        let now = Instant::now();
        assert!(now >= last, "{now:?} after {last:?}");
        last = now;
    }
    // Then it has moved, and it is neither at its origin nor at its end
    assert!(last > first);
    assert!(first > Instant::ORIGIN && last < Instant::NEVER);

    // And it agrees with the runtime's own clock within a good part
    let (start, runtime) = (Instant::now(), tokio::time::Instant::from_std(the_runtimes_now()));
    until(start.after(Duration::from_millis(100))).await;
    let passed = the_runtimes_now().saturating_duration_since(runtime.into_std());
    assert!(passed >= Duration::from_millis(80), "{passed:?}");
}

#[allow(clippy::disallowed_methods)] // another clock, to compare with
fn the_runtimes_now() -> std::time::Instant {
    std::time::Instant::now()
}

#[test]
fn two_threads_read_the_same_time() {
    // Given two threads that hand a reading to and fro
    let (there, back) = (std::sync::mpsc::channel::<Instant>(), std::sync::mpsc::channel::<Instant>());
    let echo = std::thread::spawn(move || {
        for sent in there.1 {
            let here = Instant::now();
            assert!(here >= sent, "{here:?} here, {sent:?} there");
            back.0.send(here).unwrap();
        }
    });
    // Then what is read after is never before
    for _ in 0..10_000 {
        there.0.send(Instant::now()).unwrap();
        let answered = back.1.recv().unwrap();
        assert!(Instant::now() >= answered);
    }
    drop(there.0);
    echo.join().unwrap();
}

#[tokio::test]
async fn a_breaker_opens_probes_and_closes_in_real_time() {
    // Given a breaker with a short open time over a dependency that fails
    let open_time = Duration::from_millis(100);
    let breaker = CircuitBreaker::builder("real")
        .consecutive_failures(3)
        .open_time(open_time)
        .open_time_jitter(0.0)
        .probes(1)
        .ramp(None)
        .build()
        .unwrap();
    let probe = Probe::<Asks>::new(Script::Err);
    let service = breaker.clone().layer().layer(probe.clone());
    for _ in 0..3 {
        assert!(settled(service.clone().oneshot(Ask::default())).is_err());
    }
    let opened = Instant::now();
    assert_eq!(breaker.state(), BreakerState::Open);

    // When the dependency recovers, calls are still rejected until the open time is over
    probe.does(Script::Never);
    let calls = probe.calls();
    let mut held = None;
    let tries = async {
        while held.is_none() {
            let mut call = Box::pin(service.clone().oneshot(Ask::default()));
            held = support::poll(call.as_mut()).is_pending().then_some(call);
            tokio::task::yield_now().await;
        }
    };
    within("the open time to pass", tries).await;
    // (to a tick of the system's clock, by which a breaker goes)
    assert!(Instant::now().since(opened) >= open_time - Duration::from_millis(20));

    // Then one call is let through, and a second is not
    assert_eq!((breaker.state(), probe.calls()), (BreakerState::HalfOpen, calls + 1));
    let error = settled(service.clone().oneshot(Ask::default())).unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::Probing);

    // And when a probe comes back well it closes
    drop(held);
    probe.does(Script::Ok);
    assert_eq!(settled(service.oneshot(Ask::default())).unwrap(), 1);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[tokio::test]
async fn a_timeout_fires_in_real_time() {
    let service = Timeout::builder("real").attempt(Duration::from_millis(30)).deadline().build().unwrap();
    let service = service.layer(Probe::<Asks>::new(Script::Never));

    // By the limit of the attempt
    let start = Instant::now();
    let error = within("the timeout", service.clone().oneshot(Ask::default())).await.unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::TimedOut);
    assert!(Instant::now().since(start) >= Duration::from_millis(25));

    // By a deadline that is earlier
    let request = Ask { deadline: Some(Deadline::after(Duration::from_millis(10))), ..Ask::default() };
    let error: BoxError = within("the deadline", service.clone().oneshot(request)).await.unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::DeadlineExceeded);

    // And not at all for one that has passed
    let past = Instant::now();
    until(past.after(Duration::from_millis(1))).await;
    let request = Ask { deadline: Some(Deadline::at(past)), ..Ask::default() };
    let error = settled(service.oneshot(request)).unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::Expired);
}

#[tokio::test]
async fn what_a_window_holds_slides_out_of_it_in_real_time() {
    // Given failures in a window of 50 ms
    let breaker = CircuitBreaker::builder("real").window(Duration::from_millis(50)).build().unwrap();
    let service = breaker.clone().layer().layer(Probe::<Asks>::new(Script::Err));
    for _ in 0..3 {
        assert!(settled(service.clone().oneshot(Ask::default())).is_err());
    }
    assert!(breaker.counts().failures <= 3);

    // Then after that time, and a tick or two, there are none
    until(Instant::now().after(Duration::from_millis(100))).await;
    assert_eq!(breaker.counts().calls, 0);
}
