//! How calls end: dropped, finished, in a panic, as a failure.

use super::*;

/// A call that is dropped leaves nothing behind, however far it got.
struct DropLeavesNothing;

impl Property for DropLeavesNothing {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        for polls in 0..=5 {
            // Given a call that would have its answer in the sixth poll
            let (service, probe, watch) = case.service::<K>(Script::After(5));
            let mut called = service.clone();
            assert!(settled(called.ready()).is_ok());
            let mut call = Box::pin(called.call(K::request()));
            assert_eq!((probe.calls(), probe.in_flight()), (1, 1), "{}", case.name);

            // When it is polled a few times and then dropped
            for _ in 0..polls {
                assert!(poll(call.as_mut()).is_pending(), "{}", case.name);
            }
            drop(call);

            // Then its inner future is gone, and nothing was held against the dependency
            assert_eq!((probe.drops(), probe.completions()), (1, 0), "{} after {polls} polls", case.name);
            assert!(watch.counted().is_none_or(|counted| counted == (0, 0)), "{} after {polls} polls", case.name);
            quiet(case.name, &service, &probe, &watch);
        }
        if case.service::<K>(Script::Never).2.waits() {
            for polls in 0..=5 {
                drop_waiting(case, polls);
            }
        }
    }
}

/// Drops a call that waits, before its turn or after it was called.
fn drop_waiting<K: Kind, L: Contained<K>>(case: &Case<L>, polls: u32) {
    for called in [false, true] {
        let (service, probe, watch) = case.service::<K>(Script::Never);
        let mut held = Vec::new();
        for _ in 0..LIMIT {
            held.push(Box::pin(service.clone().oneshot(K::request())));
        }
        assert!(held.iter_mut().all(|call| poll(call.as_mut()).is_pending()), "{}", case.name);
        let mut readied = service.clone();
        assert!(settled(readied.ready()).is_ok());
        let mut waits = Box::pin(readied.call(K::request()));
        for _ in 0..polls {
            assert!(poll(waits.as_mut()).is_pending(), "{}", case.name);
        }
        assert_eq!((watch.waiting(), probe.calls()), (1, LIMIT as u64), "{}", case.name);
        if called {
            drop(held);
            drop(waits);
        } else {
            drop(waits);
            drop(held);
        }
        assert_eq!(probe.calls(), LIMIT as u64, "{}: called after it left", case.name);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_24_36_a_dropped_call_leaves_nothing_behind() {
    every_layer::<DropLeavesNothing>();
}

/// A thousand callers who leave say nothing about the dependency.
struct LeaversAreNeutral;

impl Property for LeaversAreNeutral {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        let (service, probe, watch) = case.service::<K>(Script::Never);
        for _ in 0..1000 {
            let mut call = Box::pin(service.clone().oneshot(K::request()));
            assert!(poll(call.as_mut()).is_pending(), "{}", case.name);
        }
        assert_eq!((probe.calls(), probe.peak()), (1000, 1), "{}", case.name);
        assert!(watch.counted().is_none_or(|counted| counted == (0, 0)), "{}", case.name);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_38_callers_who_leave_are_neutral() {
    every_layer::<LeaversAreNeutral>();
}

/// A future that has returned its answer has let go of everything, even if somebody keeps it.
struct ReadyHasReleased;

impl Property for ReadyHasReleased {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        let (service, probe, watch) = case.service::<K>(Script::Ok);
        let mut kept = Vec::new();
        for _ in 0..10 * LIMIT {
            let mut called = service.clone();
            assert!(settled(called.ready()).is_ok());
            let mut call = Box::pin(called.call(K::request()));
            let Poll::Ready(answer) = poll(call.as_mut()) else { panic!("{}: no answer", case.name) };
            assert_eq!(L::Answer::read(&answer), Got::Good, "{}", case.name);
            assert_eq!(watch.in_flight(), 0, "{}: the finished future holds a slot", case.name);
            kept.push(call);
        }
        // Dropping them does not give anything back a second time.
        drop(kept);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_26_73_a_finished_future_has_released() {
    every_layer::<ReadyHasReleased>();
}

/// A panic is the caller's to see, a failure to the policies, and the end of nothing.
struct Panics;

impl Property for Panics {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        // In `call`, before there is a future
        let (service, probe, watch) = case.service::<K>(Script::PanicInCall);
        let mut called = service.clone();
        assert!(settled(called.ready()).is_ok());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(called.call(K::request())))).is_err(), "{}", case.name);
        assert_eq!(probe.calls(), 1, "{}", case.name);
        assert!(watch.counted().is_none_or(|counted| counted == (1, 1)), "{}: panic in call", case.name);
        quiet(case.name, &service, &probe, &watch);

        // In any poll, by a caller that catches the panic and keeps the future
        for panic in 1..=5 {
            let (service, probe, watch) = case.service::<K>(Script::PanicOnPoll(panic));
            let mut called = service.clone();
            assert!(settled(called.ready()).is_ok());
            let mut call = Box::pin(called.call(K::request()));
            for _ in 1..panic {
                assert!(poll(call.as_mut()).is_pending(), "{}", case.name);
            }
            assert!(catch_unwind(AssertUnwindSafe(|| poll(call.as_mut()).is_ready())).is_err(), "{}", case.name);
            assert!(watch.is_quiet(), "{}: the slot is free before the future is dropped", case.name);
            assert!(watch.counted().is_none_or(|counted| counted == (1, 1)), "{}: panic in poll", case.name);
            drop(call);
            assert!(watch.counted().is_none_or(|counted| counted == (1, 1)), "{}: counted twice", case.name);
            quiet(case.name, &service, &probe, &watch);
        }

        // In the inner future's own `drop`, polled or not
        for polls in 0..=5 {
            let (mut called, probe, watch) = case.service::<K>(Script::PanicInDrop);
            assert!(settled(called.ready()).is_ok());
            let mut call = Box::pin(called.call(K::request()));
            for _ in 0..polls {
                assert!(poll(call.as_mut()).is_pending(), "{}", case.name);
            }
            assert!(catch_unwind(AssertUnwindSafe(|| drop(call))).is_err(), "{}", case.name);
            quiet(case.name, &called, &probe, &watch);
        }

        // And a thousand calls later all is well.
        let (service, probe, watch) = case.service::<K>(Script::PanicInCall);
        assert!(catch_unwind(AssertUnwindSafe(|| settled(service.clone().oneshot(K::request())).is_ok())).is_err());
        probe.does(Script::Ok);
        for _ in 0..1000 {
            let answer = settled(service.clone().oneshot(K::request()));
            assert_eq!(L::Answer::read(&answer), Got::Good, "{}", case.name);
        }
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_27_28_a_panic_is_one_failure_and_leaves_nothing_behind() {
    every_layer::<Panics>();
}

/// What the inner service says reaches the caller as it is, or what the fallback says does.
struct FailuresPass;

impl Property for FailuresPass {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        let (service, probe, watch) = case.service::<K>(Script::Err);
        for calls in 1..=5 {
            let answer = settled(service.clone().oneshot(K::request()));
            let expected = if watch.answers { Got::Good } else { Got::Bad };
            assert_eq!(L::Answer::read(&answer), expected, "{}", case.name);
            assert!(watch.counted().is_none_or(|counted| counted == (calls, calls)), "{}", case.name);
        }
        assert_eq!(probe.calls(), 5, "{}", case.name);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_60_171_failures_are_counted_and_passed_on() {
    every_layer::<FailuresPass>();
}
