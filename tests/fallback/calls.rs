//! What becomes of calls and services behind it.

use super::*;

#[test]
fn defect_13_another_service_is_made_ready_on_a_clone_of_its_own() {
    // Given a second service for when the first one fails
    let (first, second) = (Probe::<Asks>::new(Script::Err), Probe::<Asks>::new(Script::Ok));
    let service = Fallback::service(|_: &Ask| Ask::default(), second.clone()).layer(first.clone());

    // Then it is made ready once for each call that needs it, and by nothing else: a probe panics otherwise
    for calls in 1..=10 {
        assert_eq!(settled(service.clone().oneshot(Ask::default())).unwrap(), 1);
        assert_eq!((second.ready_polls(), second.calls()), (calls, calls));
    }
    first.does(Script::Ok);
    assert_eq!(settled(service.clone().oneshot(Ask::default())).unwrap(), 1);
    assert_eq!(second.ready_polls(), 10);

    // While it is not ready the caller waits
    first.does(Script::Err);
    second.does(Script::NotReady);
    let mut waits = Box::pin(service.clone().oneshot(Ask::default()));
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!(first.in_flight(), 0);
    second.does(Script::Ok);
    assert_eq!(settled(waits).unwrap(), 1);
}

#[test]
fn defect_173_the_error_of_a_fallback_is_final() {
    // Given a second service that is no better, or not even ready
    for script in [Script::Err, Script::ReadyError] {
        let (first, second) = (Probe::<Asks>::new(Script::Err), Probe::<Asks>::new(script));
        let service = Fallback::service(|_: &Ask| Ask::default(), second.clone()).layer(first.clone());

        // Then that is the answer, and nothing starts again
        assert!(settled(service.oneshot(Ask::default())).unwrap_err().downcast_ref::<Broken>().is_some());
        assert_eq!((first.calls(), second.ready_polls()), (1, 1));
    }

    // Nor does it when the second service is the first one's own stack
    let first = Probe::<Asks>::new(Script::Err);
    let inner = Fallback::value(7).on([Cause::Rejected]).layer(first.clone());
    let service = Fallback::service(|_: &Ask| Ask::default(), inner.clone()).layer(inner);
    assert!(settled(service.oneshot(Ask::default())).is_err());
    assert_eq!(first.calls(), 2);
}

#[tokio::test]
async fn defect_168_a_dropped_call_has_no_fallback() {
    // Given a fallback that counts, and one that is a service
    let (causes, answer) = learning();
    let second = Probe::<Asks>::new(Script::Ok);
    let (inner, mut calls) = controlled::<Ask, u32>();
    let function = Fallback::function(answer).layer(inner.clone());
    let service = Fallback::service(|_: &Ask| Ask::default(), second.clone()).layer(inner);

    // When calls are dropped before their first poll, or after it
    for polls in 0..3 {
        let (mut a, mut b) =
            (Box::pin(function.clone().oneshot(Ask::default())), Box::pin(service.clone().oneshot(Ask::default())));
        for _ in 0..polls {
            assert!(poll(a.as_mut()).is_pending() && poll(b.as_mut()).is_pending());
        }
        drop((a, b));
        while let Ok(call) = calls.try_recv() {
            assert!(call.is_dropped());
            call.answer(Err("too late".into()));
        }
    }

    // Then neither of them ran
    assert!(causes.lock().unwrap().is_empty());
    assert_eq!(second.ready_polls(), 0);
}

#[test]
fn defect_171_a_breaker_inside_sees_the_failure() {
    // Given a fallback around a breaker
    let inner = breaker("inner");
    let service = ServiceBuilder::new()
        .layer(Fallback::value(7))
        .layer(inner.clone().layer())
        .service(Probe::<Asks>::new(Script::Err));

    // Then the caller sees the answer and the breaker the failure, and a plain guard outside sees what the caller sees
    for failures in 1..=5 {
        assert_eq!(settled(service.clone().oneshot(Ask::default())).unwrap(), 7);
        assert_eq!(inner.counts().failures, failures);
    }
    let outer = breaker("outer");
    assert_eq!(settled(outer.clone().layer().layer(service).oneshot(Ask::default())).unwrap(), 7);
    assert_eq!((outer.counts().calls, outer.counts().failures), (1, 0));
}

#[test]
fn defect_30_a_panicking_function_harms_its_own_call_only() {
    let slots = Bulkhead::builder("inner").limit(1).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(Fallback::function(|_: Failed<u32, BoxError>| panic!("the user's own")))
        .layer(slots.clone().layer())
        .service(Probe::<Asks>::new(Script::Err));
    for _ in 0..10 {
        let call = || settled(service.clone().oneshot(Ask::default()));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
        assert_eq!(slots.in_flight(), 0);
    }
}

#[test]
fn an_error_of_readiness_is_spent_by_one_call() {
    // Given a service that has lost its readiness for a while
    let probe = Probe::<Asks>::new(Script::ReadyError);
    let mut service = Fallback::value(7).layer(probe.clone());
    assert!(settled(service.ready()).is_ok());

    // When it is asked again before the call, and is ready by then
    probe.does(Script::Ok);
    assert!(settled(service.ready()).is_ok());

    // Then the call is made: the error is of no interest any more
    assert_eq!(settled(service.call(Ask::default())).unwrap(), 1);

    // And a clone of a service with such an error starts without it
    probe.does(Script::ReadyError);
    assert!(settled(service.ready()).is_ok());
    probe.does(Script::Ok);
    assert_eq!(settled(service.clone().oneshot(Ask::default())).unwrap(), 1);
    assert_eq!(settled(service.call(Ask::default())).unwrap(), 7);
}
