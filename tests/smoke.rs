#![allow(missing_docs)]
use cofferdam::{BoxError, Bulkhead, CircuitBreaker, Policy, Timeout, guard};
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::test]
async fn spawned() {
    let breaker = CircuitBreaker::builder("a").build().unwrap();
    let slots = Bulkhead::builder("a").build().unwrap();
    let svc = ServiceBuilder::new()
        .layer(guard(breaker.and(slots)))
        .layer(Timeout::builder("a").attempt(std::time::Duration::from_secs(1)).build().unwrap())
        .service(service_fn(|x: u32| async move { Ok::<_, BoxError>(x) }));
    let r = tokio::spawn(async move { svc.clone().oneshot(1).await }).await.unwrap().unwrap();
    assert_eq!(r, 1);
}
