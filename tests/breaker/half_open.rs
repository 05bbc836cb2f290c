//! Probes, and states that are left in time.

use tokio::time::{advance, sleep};

use super::*;

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

/// The same breaker stands twice around a call, as at a router and at one of its routes, so it turns its own probe away. The
/// next call is given a place for each.
#[tokio::test(start_paused = true)]
async fn defect_47_a_breaker_that_is_put_around_a_call_twice_closes_again() {
    for times in 1..=4 {
        let breaker = CircuitBreaker::builder("dependency")
            .open_time(ms(1_000))
            .open_time_jitter(0.0)
            .ramp(None)
            .build()
            .unwrap();
        let works = Arc::new(AtomicBool::new(false));
        let dependency = service_fn({
            let works = Arc::clone(&works);
            move |(): ()| {
                std::future::ready(if works.load(Ordering::SeqCst) { Ok(()) } else { Err(BoxError::from("down")) })
            }
        });
        let mut service = tower::util::BoxCloneService::new(dependency);
        for _ in 0..times {
            service = tower::util::BoxCloneService::new(breaker.clone().layer().layer(service));
        }
        while breaker.state() == BreakerState::Closed {
            service.clone().oneshot(()).await.unwrap_err();
        }

        // As long as it is down, one call an open time finds that out, after some that got less far
        advance(ms(1_000)).await;
        let mut turned_away = 0;
        let error = loop {
            let error = service.clone().oneshot(()).await.unwrap_err();
            let Some(own) = Rejected::find(error.as_ref()) else { break error };
            assert_eq!(own.why(), Why::Probing);
            turned_away += 1;
            assert!(turned_away < times, "{turned_away} calls in vain, {times} times around a call");
        };
        assert_eq!((error.to_string().as_str(), breaker.state()), ("down", BreakerState::Open));

        // And once it works again, it closes
        works.store(true, Ordering::SeqCst);
        advance(ms(1_100)).await;
        for _ in 0..times + 4 {
            let _ = service.clone().oneshot(()).await;
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "{times} times around a call");
        assert_eq!(service.clone().oneshot(()).await.map_err(|error| error.to_string()), Ok(()));
    }
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

/// A probe is answered by a stream. It is over with its head, and however the stream ends is nothing to the breaker.
#[test]
fn a_probe_that_is_answered_by_what_lasts_is_over_with_its_head() {
    for (outcome, then) in [(Outcome::Success, BreakerState::Closed), (Outcome::Failure, BreakerState::Open)] {
        for end in [Outcome::Success, Outcome::Failure, Outcome::Overload, Outcome::Ignored, Outcome::Abandoned] {
            let breaker = open(touchy());
            let mut probe = admit(&breaker, 1_000).unwrap();
            breaker.lasts(&mut probe, &Ended::new(outcome, at(1_000), at(1_001)));
            assert_eq!(breaker.state(), then);
            let counts = breaker.counts_at(at(1_001));
            settle(&breaker, probe, end, 1_002);
            assert_eq!((breaker.state(), breaker.counts_at(at(1_001))), (then, counts), "{end:?}");
        }
    }
}
