//! Which failures are answered for, and by what.

use super::*;

#[tokio::test]
async fn each_cause_is_told_by_its_name() {
    let (causes, answer) = learning();
    let layer = Fallback::function(answer);
    let learnt = || std::mem::take(&mut *causes.lock().unwrap());

    // The service's own error
    let probe = Probe::<Asks>::new(Script::Err);
    assert_eq!(layer.clone().layer(probe.clone()).oneshot(Ask::default()).await.unwrap(), 7);
    assert_eq!(learnt(), [(Cause::Failure, None)]);

    // A rejection by a breaker, and by a bulkhead
    let open = breaker("open");
    open.force_open();
    let service = ServiceBuilder::new().layer(layer.clone()).layer(open.layer()).service(probe.clone());
    assert_eq!(service.oneshot(Ask::default()).await.unwrap(), 7);
    assert_eq!(learnt(), [(Cause::Rejected, Some(Why::Open))]);
    let full = Bulkhead::builder("full").limit(1).build().unwrap().layer();
    let _held = full.call(&Ask::default(), std::future::pending::<Result<(), BoxError>>);
    let service = ServiceBuilder::new().layer(layer.clone()).layer(full.clone()).service(probe.clone());
    assert_eq!(service.oneshot(Ask::default()).await.unwrap(), 7);
    assert_eq!(learnt(), [(Cause::Rejected, Some(Why::Full))]);

    // Time that is up
    probe.does(Script::Never);
    let timeout = Timeout::builder("short").attempt(Duration::from_millis(1)).build().unwrap();
    let service = ServiceBuilder::new().layer(layer.clone()).layer(timeout).service(probe.clone());
    assert_eq!(within("the timeout", service.oneshot(Ask::default())).await.unwrap(), 7);
    assert_eq!(learnt(), [(Cause::TimedOut, Some(Why::TimedOut))]);

    // A service that never becomes ready
    probe.does(Script::ReadyError);
    assert_eq!(layer.clone().layer(probe.clone()).oneshot(Ask::default()).await.unwrap(), 7);
    assert_eq!(learnt(), [(Cause::NotReady, None)]);

    // And for an answer that is good nobody asks
    probe.does(Script::Ok);
    assert_eq!(layer.layer(probe).oneshot(Ask::default()).await.unwrap(), 1);
    assert_eq!(learnt(), []);
}

#[test]
fn only_the_causes_it_was_put_on_are_answered() {
    // Given a fallback for rejections only
    let open = breaker("open");
    let probe = Probe::<Asks>::new(Script::Err);
    let service = ServiceBuilder::new()
        .layer(Fallback::value(7).on([Cause::Rejected]))
        .layer(open.clone().layer())
        .service(probe.clone());

    // Then a failure is passed on as it is
    assert!(settled(service.clone().oneshot(Ask::default())).unwrap_err().downcast_ref::<Broken>().is_some());

    // And so is an error of readiness, from `poll_ready` itself
    probe.does(Script::ReadyError);
    let mut not_ready = service.clone();
    assert!(settled(not_ready.ready()).map(|_| ()).unwrap_err().downcast_ref::<Broken>().is_some());

    // But a rejection is answered
    open.force_open();
    assert_eq!(settled(service.oneshot(Ask::default())).unwrap(), 7);
}

#[test]
fn when_chooses_by_whom() {
    // Given a fallback for what the shop rejected, around two breakers
    let (shop, bank) = (breaker("shop"), breaker("bank"));
    let by_shop = |failed: &Failed<u32, BoxError>| failed.rejected().is_some_and(|by| by.by().as_str() == "shop");
    let service = ServiceBuilder::new()
        .layer(Fallback::value(7).when(by_shop))
        .layer(bank.clone().layer())
        .layer(shop.clone().layer())
        .service(Probe::<Asks>::new(Script::Err));

    // Then it does not answer for the service, nor for the bank
    assert!(settled(service.clone().oneshot(Ask::default())).is_err());
    bank.force_open();
    let error = settled(service.clone().oneshot(Ask::default())).unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().by().as_str(), "bank");

    // But it does for the shop
    bank.reset();
    shop.force_open();
    assert_eq!(settled(service.clone().oneshot(Ask::default())).unwrap(), 7);

    // Two conditions must both hold, and `on` comes before either
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let picky = Fallback::value(7)
        .when(by_shop)
        .when(move |_: &Failed<u32, BoxError>| {
            count.fetch_add(1, Ordering::Relaxed);
            false
        })
        .on([Cause::Rejected]);
    assert!(settled(picky.clone().layer(service.clone()).oneshot(Ask::default())).is_ok()); // The inner one has answered.
    let rejected =
        ServiceBuilder::new().layer(picky.clone()).layer(shop.layer()).service(Probe::<Asks>::new(Script::Ok));
    assert!(settled(rejected.oneshot(Ask::default())).is_err());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert!(settled(picky.layer(Probe::<Asks>::new(Script::Err)).oneshot(Ask::default())).is_err());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_function_may_leave_the_answer_as_it_was() {
    let layer = Fallback::function(|failed: Failed<u32, BoxError>| {
        assert!(failed.answer().is_err_and(|error| error.to_string() == "broken"));
        failed.into_answer()
    });
    let error = settled(layer.layer(Probe::<Asks>::new(Script::Err)).oneshot(Ask::default())).unwrap_err();
    assert!(error.downcast_ref::<Broken>().is_some());
}

#[test]
fn only_what_is_kept_of_a_request_is_there_for_the_answer() {
    // Given requests that are not Clone, of which a number is kept
    struct Order(u32, #[allow(dead_code)] std::cell::Cell<u8>);
    let kept = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&kept);
    let layer = Fallback::keeping(
        move |order: &Order| {
            counter.fetch_add(1, Ordering::Relaxed);
            order.0
        },
        |_: Failed<String, BoxError>, number| Ok(format!("order {number} is being looked at")),
    );
    let service = layer.layer(service_fn(|order: Order| async move {
        if order.0 == 1 { Ok("done".to_owned()) } else { Err(BoxError::from("down")) }
    }));

    // Then each answer is for its own request, and it was looked at once
    assert_eq!(settled(service.clone().oneshot(Order(1, Default::default()))).unwrap(), "done");
    let answer = settled(service.oneshot(Order(2, Default::default()))).unwrap();
    assert_eq!(answer, "order 2 is being looked at");
    assert_eq!(kept.load(Ordering::Relaxed), 2);
}
