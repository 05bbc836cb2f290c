//! Which instance is called, and what a service that is ready holds.

use super::*;

/// The instance that was made ready is the one that is called: a probe panics otherwise.
struct ReadiedIsCalled;

impl Property for ReadiedIsCalled {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        let (service, probe, watch) = case.service::<K>(Script::Ok);
        for _ in 0..20 {
            let mut clone = service.clone();
            for _ in 0..5 {
                // Made ready twice, as Tower allows, and called once.
                assert!(settled(clone.ready()).is_ok());
                let answer = settled(settled(clone.ready()).unwrap_or_else(|_| unreachable!()).call(K::request()));
                assert_eq!(L::Answer::read(&answer), Got::Good, "{}", case.name);
            }
        }
        assert_eq!(probe.calls(), 100, "{}", case.name);
        assert_eq!(probe.drops(), 100, "{}", case.name);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_01_the_instance_made_ready_is_the_one_called() {
    every_layer::<ReadiedIsCalled>();
}

#[tokio::test]
async fn defect_01_real_buffers_and_limits_never_see_a_call_they_were_not_readied_for() {
    // Given a buffered, limited service, which panics when a reservation is missing, behind everything we have
    let inner = ServiceBuilder::new()
        .layer(BufferLayer::new(16))
        .layer(ConcurrencyLimitLayer::new(4))
        .service(service_fn(|n: u32| async move { Ok::<_, BoxError>(n) }));
    let service = ServiceBuilder::new()
        .layer(Fallback::function(|failed: Failed<u32, BoxError>| failed.into_answer()))
        .layer(guard(breaker().and(Bulkhead::builder("wide").limit(1000).build().unwrap())))
        .layer(Timeout::builder("contract").attempt(HOUR).build().unwrap())
        .service(inner);

    // When a hundred clones make a hundred calls each, all at the same time
    let clones = (0..100).map(|_| {
        let mut service = service.clone();
        async move {
            for n in 0..100 {
                assert_eq!(service.ready().await.unwrap().call(n).await.unwrap(), n);
            }
        }
    });

    // Then none of them panics
    support::within("ten thousand calls", futures_util::future::join_all(clones)).await;
}

/// Services that are ready and idle hold nothing.
struct IdleHoldsNothing;

impl Property for IdleHoldsNothing {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        // Given as many idle, ready services as there are slots
        let (service, probe, watch) = case.service::<K>(Script::Ok);
        let (mut a, mut b) = (service.clone(), service.clone());
        assert!(settled(a.ready()).is_ok() && settled(b.ready()).is_ok());
        assert_eq!(watch.in_flight(), 0, "{}: readiness holds a slot", case.name);

        // Then a third one's calls get through, and as many of them at a time as there are slots
        probe.does(Script::Never);
        let mut held =
            [Box::pin(service.clone().oneshot(K::request())), Box::pin(service.clone().oneshot(K::request()))];
        assert!(held.iter_mut().all(|call| poll(call.as_mut()).is_pending()), "{}", case.name);
        assert_eq!(probe.in_flight(), 2, "{}", case.name);
        drop(held);

        // And ten thousand more that are made ready and dropped change nothing
        for _ in 0..10_000 {
            assert!(settled(service.clone().ready()).is_ok());
        }
        drop((a, b));
        assert_eq!(probe.calls(), 2, "{}", case.name);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_02_03_04_idle_ready_services_hold_nothing() {
    every_layer::<IdleHoldsNothing>();
}

/// Nothing wakes itself up.
struct NoSelfWake;

impl Property for NoSelfWake {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        // While a call has no answer nobody is woken
        let (service, probe, watch) = case.service::<K>(Script::Never);
        let waker = Arc::new(CountingWaker::default());
        let mut call = Box::pin(service.clone().oneshot(K::request()));
        for _ in 0..3 {
            assert!(poll_with(call.as_mut(), &waker).is_pending(), "{}", case.name);
        }
        assert_eq!(waker.wakes(), 0, "{}: a pending call wakes itself", case.name);
        drop(call);

        // Nor while the service is not ready
        probe.does(Script::NotReady);
        let mut waiting = service.clone();
        let mut ready = Box::pin(waiting.ready());
        for _ in 0..3 {
            assert!(poll_with(ready.as_mut(), &waker).is_pending(), "{}", case.name);
        }
        assert_eq!(waker.wakes(), 0, "{}: pending readiness wakes itself", case.name);
        drop(ready);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_07_nothing_wakes_itself() {
    every_layer::<NoSelfWake>();
}

/// An error of readiness reaches the caller, and the inner service is not called then.
struct ReadinessErrors;

impl Property for ReadinessErrors {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        let (service, probe, watch) = case.service::<K>(Script::ReadyError);
        let mut failing = service.clone();
        if watch.answers {
            // A fallback says that it is ready, and answers the next call itself.
            assert!(settled(failing.ready()).is_ok(), "{}", case.name);
            assert_eq!(L::Answer::read(&settled(failing.call(K::request()))), Got::Good, "{}", case.name);
        } else {
            let answer = settled(failing.ready()).map(|_| ());
            assert_eq!(format!("{:?}", answer.unwrap_err()), "Broken", "{}", case.name);
        }
        assert_eq!(probe.calls(), 0, "{}", case.name);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_13_readiness_errors_are_not_lost() {
    every_layer::<ReadinessErrors>();
}

/// A thousand callers of a service that is never ready, through that layer, while its breaker is forced open.
fn shut_callers<K: Kind, L: Contained<K>>(breaker: &CircuitBreaker, layer: L) {
    let probe = Probe::<K>::new(Script::NotReady);
    let service = layer.layer(probe.clone());

    // Given a breaker that is open over a service that never becomes ready
    breaker.force_open();
    for _ in 0..1000 {
        // Then each caller is rejected within one poll
        let answer = settled(service.clone().oneshot(K::request()));
        assert_eq!(L::Answer::read(&answer), Got::Rejected);
    }
    // And the service was not even asked
    assert_eq!((probe.ready_polls(), probe.calls()), (0, 0));

    // When it recovers while nobody calls
    probe.does(Script::Ok);
    breaker.reset();

    // Then the very next request gets through
    assert_eq!(L::Answer::read(&settled(service.oneshot(K::request()))), Got::Good);
    assert_eq!(probe.calls(), 1);
}

#[tokio::test]
async fn defect_10_11_an_open_breaker_does_not_wait_for_a_service_that_hangs() {
    let of_rejection = |failed: Failed<u32, BoxError>| failed.into_answer();
    let b = breaker();
    shut_callers::<Asks, _>(&b, b.clone().layer());
    shut_callers::<Asks, _>(&b, guard((bulkhead(), b.clone())));
    shut_callers::<Asks, _>(&b, guard((None::<Bulkhead>, Some(Arc::new(b.clone())))));
    let stacked = ServiceBuilder::new()
        .layer(Fallback::function(of_rejection))
        .layer(bulkhead().layer())
        .layer(Timeout::builder("contract").attempt(HOUR).build().unwrap())
        .layer(b.clone().layer());
    shut_callers::<Asks, _>(&b, stacked);
    #[cfg(feature = "http")]
    shut_callers::<support::Web, _>(&b, guard((bulkhead(), b.clone())).http());
}

#[tokio::test]
async fn defect_11_a_shadowed_breaker_shuts_nobody_out() {
    // Given an open breaker that runs dry
    let b = breaker();
    b.force_open();
    let shadow = Shadow::new(b);
    let probe = Probe::<Asks>::new(Script::Ok);
    let service = shadow.clone().layer().layer(probe.clone());

    // Then readiness is the service's own, calls go through, and it is written down what would have happened
    assert_eq!(settled(service.oneshot(Ask::default())).unwrap(), 1);
    assert_eq!((probe.ready_polls(), probe.calls()), (1, 1));
    assert_eq!(shadow.would_have_rejected(), 1);
}

#[tokio::test]
async fn defect_12_readiness_is_asked_for_again_each_time() {
    // Given a service that is ready
    let probe = Probe::<Asks>::new(Script::Ok);
    let guarded: Guard<_> = guard((breaker(), bulkhead()));
    let mut service = guarded.layer(probe.clone());
    assert!(settled(service.ready()).is_ok());

    // When it breaks before it is called
    probe.does(Script::ReadyError);

    // Then the next look at its readiness shows that
    assert_eq!(settled(service.ready()).map(|_| ()).unwrap_err().to_string(), "broken");
    assert_eq!((probe.ready_polls(), probe.calls()), (2, 0));
}

#[tokio::test]
async fn defect_08_a_task_out_of_budget_is_not_overload() {
    // Given a task that has used up its budget of messages
    let (sender, mut messages) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..1000 {
        sender.send(n).unwrap();
    }
    let service = ServiceBuilder::new()
        .layer(guard(breaker().and(bulkhead())))
        .layer(BufferLayer::new(16))
        .service(service_fn(|n: u32| async move { Ok::<_, BoxError>(n) }));
    let calls = async {
        for n in 0..200 {
            let mut drained = 0;
            while drained < 5 && messages.recv().await.is_some() {
                drained += 1;
            }
            // Then calls at zero load are not rejected, whatever the buffer seems to say
            assert_eq!(service.clone().oneshot(n).await.unwrap(), n);
        }
    };
    support::within("two hundred calls", calls).await;
}
