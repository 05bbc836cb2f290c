//! What services and requests need to be, and what clones share.

use super::*;

/// Clones, and services made from clones of the layer, are behind the same policy; and nobody is let in that is rejected.
struct ClonesShare;

impl Property for ClonesShare {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        let (layer, watch) = (case.make)();
        let probe = Probe::<K>::new(Script::Never);
        let (a, b) = (layer.layer(probe.clone()), layer.clone().layer(probe.clone()));
        let c = a.clone();

        // Given calls in flight through two services of one layer, as many as there are slots
        let mut held = [Box::pin(a.oneshot(K::request())), Box::pin(b.clone().oneshot(K::request()))];
        assert!(held.iter_mut().all(|call| poll(call.as_mut()).is_pending()), "{}", case.name);
        assert_eq!(watch.slots.as_ref().map_or(2, Slots::in_flight), 2, "{}", case.name);

        // Then a third is rejected or waits, if there is a limit, and the service behind does not hear of it
        let mut third = Box::pin(c.clone().oneshot(K::request()));
        match poll(third.as_mut()) {
            Poll::Ready(answer) => {
                assert!(watch.limits && !watch.waits(), "{}", case.name);
                assert_eq!(L::Answer::read(&answer), Got::Rejected, "{}", case.name);
                assert_eq!(probe.calls(), 2, "{}: called though rejected", case.name);
            }
            Poll::Pending if watch.waits() => {
                assert_eq!((watch.waiting(), probe.calls()), (1, 2), "{}: called though it waits", case.name);
            }
            Poll::Pending => {
                assert!(!watch.limits, "{}: over the limit", case.name);
                assert_eq!(probe.calls(), 3, "{}", case.name);
            }
        }
        drop((held, third));

        // And a breaker that is open is open to all
        let calls = probe.calls();
        if let Some(breaker) = &watch.breaker {
            breaker.force_open();
            for service in [&b, &c] {
                let mut call = pin!(service.clone().oneshot(K::request()));
                match poll(call.as_mut()) {
                    Poll::Ready(answer) => assert_eq!(L::Answer::read(&answer), Got::Rejected, "{}", case.name),
                    Poll::Pending => assert!(!watch.breaks, "{}: open and called", case.name),
                }
            }
            assert_eq!(probe.calls() == calls, watch.breaks, "{}: called though rejected", case.name);
            breaker.reset();
        }
        quiet(case.name, &c, &probe, &watch);
    }
}

#[tokio::test]
async fn defect_63_172_clones_share_their_policy_and_the_rejected_are_not_called() {
    every_layer::<ClonesShare>();
}

/// Layers and services are built, cloned, used and dropped where there is no runtime.
struct NeedsNoRuntime;

impl Property for NeedsNoRuntime {
    fn check<K: Kind, L: Contained<K>>(case: &Case<L>) {
        assert!(tokio::runtime::Handle::try_current().is_err(), "this property is checked outside of a runtime");
        let (layer, _) = (case.make)();
        drop(layer.clone().layer(Probe::<K>::new(Script::Ok)).clone());
        drop(layer);
        // A call that is ready at once needs no timer, so it runs too.
        let (service, probe, watch) = case.service::<K>(Script::Ok);
        quiet(case.name, &service, &probe, &watch);
    }
}

#[test]
fn defect_23_nothing_needs_a_runtime_to_be_built_cloned_called_and_dropped() {
    every_layer::<NeedsNoRuntime>();
}

#[test]
fn defect_20_requests_and_errors_need_no_clone_and_no_sync() {
    // The bounds of `Contained` say that every layer, service and future is Send and Sync here, although the request of a
    // probe is neither Clone nor Sync and its error is not Clone. They also go around services that are not Clone at all.
    struct Lonely;
    impl Service<Ask> for Lonely {
        type Response = u32;
        type Error = BoxError;
        type Future = std::future::Ready<Result<u32, BoxError>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Ask) -> Self::Future {
            std::future::ready(Ok(1))
        }
    }
    let service = ServiceBuilder::new()
        .layer(Fallback::value(2))
        .layer(guard(breaker().and(bulkhead())))
        .layer(Timeout::builder("contract").attempt(HOUR).deadline().build().unwrap())
        .service(Lonely);
    assert_eq!(settled(service.oneshot(Ask::default())).unwrap(), 1);
}
