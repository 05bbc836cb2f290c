//! Calls that wait: for readiness, in a line, for the end of a body.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    BoxError, Bulkhead, CircuitBreaker, Control, Deadline, Event, Instant, Policy, Refused, Timeout, What, Why, guard,
    observe,
};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{Ask, ms, poll};

/// Is ready when it is told to be.
#[derive(Clone, Default)]
struct Gated(Arc<Mutex<bool>>);

impl Service<Duration> for Gated {
    type Response = ();
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if *self.0.lock().unwrap() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, takes: Duration) -> Self::Future {
        Box::pin(async move {
            sleep(takes).await;
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_that_somebody_waited_who_has_left_is_nobody_elses() {
    let gated = Gated::default();
    let layer = Timeout::builder("gated").attempt(ms(300)).build().unwrap();
    let service = Arc::new(tokio::sync::Mutex::new(layer.layer(gated.clone())));

    // Given a caller that waits for a service to become ready, and leaves
    let shared = Arc::clone(&service);
    let left = tokio::spawn(async move { shared.lock().await.ready().await.map(drop) });
    sleep(ms(10)).await;
    left.abort();
    let _ = left.await;

    // When another one comes after most of that time, and the service is ready by then
    sleep(ms(250)).await;
    *gated.0.lock().unwrap() = true;
    let shared = Arc::clone(&service);
    let next = tokio::spawn(async move { shared.lock().await.ready().await?.call(ms(200)).await });
    // Then it has all of the time
    next.await.unwrap().unwrap();

    // And so has one that comes long after somebody has left, if it has to wait as well
    *gated.0.lock().unwrap() = false;
    assert!(tokio::time::timeout(ms(10), service.lock().await.ready()).await.is_err());
    sleep(Duration::from_secs(60)).await;
    let opens = gated.clone();
    tokio::spawn(async move {
        sleep(ms(100)).await;
        *opens.0.lock().unwrap() = true;
    });
    let start = Instant::now();
    let mut service = service.lock().await;
    let ready = async {
        loop {
            if let Poll::Ready(ready) = poll(pin!(service.ready())) {
                break ready.map(drop);
            }
            sleep(ms(20)).await;
        }
    };
    ready.await.unwrap();
    assert!(Instant::now().since(start) >= ms(100), "it was not told that it had waited for a minute");
    service.call(ms(50)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn any_future_is_bounded_without_a_service() {
    let layer = Timeout::builder("query").attempt(ms(100)).build().unwrap();
    let why = |answer: Result<u32, Refused<&'static str>>| answer.unwrap_err().rejected().unwrap().why();

    assert_eq!(layer.call(&(), || async { Ok::<_, &str>(1) }).await, Ok(1));
    assert_eq!(layer.call(&(), || async { Err::<u32, _>("no table") }).await, Err(Refused::Inner("no table")));

    let start = Instant::now();
    assert_eq!(why(layer.call(&(), pending::<Result<u32, &str>>).await), Why::TimedOut);
    assert_eq!(Instant::now().since(start), ms(100));

    // The setting can be changed while it runs.
    layer.configure("attempt", "1s").unwrap();
    assert_eq!(why(layer.call(&(), pending::<Result<u32, &str>>).await), Why::TimedOut);
    assert_eq!(Instant::now().since(start), ms(1_100));

    // Of a request that carries a deadline, what is left of it holds; after it, nothing is run.
    let layer = Timeout::builder("query").deadline().build().unwrap();
    let mut request = Ask { deadline: Some(Deadline::after(ms(50))), ..Ask::default() };
    assert_eq!(why(layer.call(&request, pending::<Result<u32, &str>>).await), Why::DeadlineExceeded);
    request.deadline = Some(Deadline::after(Duration::ZERO));
    let unrun = || -> std::future::Ready<Result<u32, &'static str>> { panic!("it is not run") };
    assert_eq!(why(layer.call(&request, unrun).await), Why::Expired);

    // It is a failure of whoever is around it, and one error is made of both.
    let breaker = CircuitBreaker::builder("query").build().unwrap().layer();
    let layer = Timeout::builder("query").attempt(ms(100)).build().unwrap();
    let answer = breaker.call(&(), || layer.call(&(), pending::<Result<u32, &str>>)).await;
    assert_eq!(why(answer.map_err(Refused::flatten)), Why::TimedOut);
    assert_eq!(breaker.policy().counts().failures, 1);
    let spawned = tokio::spawn(async move { layer.call(&(), || async { Ok::<_, BoxError>(1) }).await.is_ok() });
    assert!(spawned.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_told_of_as_a_call_whose_time_is_up() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let writes = Arc::clone(&heard);
    let _subscription = observe(move |event: &Event| {
        if let (What::Rejected(rejected), "stalls") = (event.what, event.by.as_str()) {
            writes.lock().unwrap().push(rejected.why());
        }
    });
    let stalls = || {
        let first = futures_util::stream::iter([Ok::<_, BoxError>(Frame::data(Bytes::from("begun")))]);
        StreamBody::new(futures_util::StreamExt::chain(first, futures_util::stream::pending()))
    };
    let layer = Timeout::builder("stalls").http().between_frames(ms(100)).build().unwrap();
    let service =
        layer.layer(service_fn(move |_: Request<()>| async move { Ok::<_, BoxError>(Response::new(stalls())) }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(*heard.lock().unwrap(), [Why::TimedOut]);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_in_a_group_twice_ends_in_a_rejection_and_not_in_a_loop() {
    // Given a group in which a call has to have two slots of the one there is
    let slots = Bulkhead::builder("twice").limit(1).queue(4).max_wait(ms(100)).build().unwrap();
    let service = guard((slots.clone(), slots.clone())).layer(service_fn(|()| async { Ok::<_, BoxError>(()) }));
    let start = Instant::now();
    // Then it waits for as long as one may
    let error = service.clone().oneshot(()).await.unwrap_err();
    assert_eq!(error.to_string(), "the call was not answered: no slot became free in time");
    assert!((ms(100)..=ms(110)).contains(&Instant::now().since(start)), "{:?}", Instant::now().since(start));
    assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
    // And comes in if there are two
    let call = tokio::spawn(service.oneshot(()));
    sleep(ms(50)).await;
    slots.resize(2).unwrap();
    call.await.unwrap().unwrap();
    assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
}

#[test]
fn a_service_that_was_waited_for_on_a_runtime_that_is_gone_works_on_another_one() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (gated, layer) = (Gated::default(), Timeout::builder("gated").attempt(ms(5_000)).build().unwrap());
    let mut service = layer.layer(gated.clone());
    runtime().block_on(async {
        assert!(tokio::time::timeout(ms(1), service.ready()).await.is_err());
    });
    runtime().block_on(async {
        assert!(tokio::time::timeout(ms(1), service.ready()).await.is_err());
        *gated.0.lock().unwrap() = true;
        service.ready().await.unwrap().call(ms(1)).await.unwrap();
    });
}

/// A client over gRPC that keeps to the time it is told, and then says that the call was cancelled: as a Tonic `Channel` does.
#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn whoever_is_first_to_see_that_time_is_up_it_is_a_deadline_exceeded() {
    use cofferdam::{Replay, context::Trust, rejection};
    use http_body_util::Empty;

    let channel = service_fn(|request: Request<Replay<Empty<Bytes>>>| async move {
        let told =
            request.headers().get("grpc-timeout").and_then(|told| Trust::default().deadline(told.to_str().unwrap()));
        sleep(told.map_or(ms(1), Deadline::remaining)).await;
        Err::<Response<Empty<Bytes>>, BoxError>("cancelled".into())
    });
    // Given a stack that tells it how much time there is
    let stack = cofferdam::grpc::client("greeter").timeout(None).build().unwrap();
    let mut request = Request::new(Empty::new());
    cofferdam::Context::set_deadline(&mut request, Deadline::after(ms(500)));
    let response = stack.layer(channel).oneshot(request).await.unwrap();
    // Then the rejection is the answer, and not its error
    assert_eq!(response.headers()["grpc-status"], "4");
    assert_eq!(rejection(&response).map(|rejected| rejected.why()), Some(Why::DeadlineExceeded));
    assert_eq!(stack.breaker().unwrap().counts().failures, 1);

    // And an error at any other time is what it is, as it is under other protocols
    let quick = service_fn(|_: Request<Empty<Bytes>>| async {
        sleep(ms(400)).await;
        Err::<Response<Empty<Bytes>>, BoxError>("reset".into())
    });
    let timeout = Timeout::builder("greeter").attempt(ms(500)).grpc().build().unwrap();
    let answer = timeout.layer(quick).oneshot(Request::new(Empty::new())).await;
    assert_eq!(answer.map(drop).unwrap_err().to_string(), "reset");
    let timeout = Timeout::builder("greeter").attempt(ms(400)).http().build().unwrap();
    let answer = timeout.layer(quick).oneshot(Request::new(Empty::new())).await;
    assert_eq!(answer.map(drop).unwrap_err().to_string(), "reset");
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time_if_each_poll_comes_with_a_waker_of_its_own() {
    struct Another(Waker);

    impl Wake for Another {
        fn wake(self: Arc<Self>) {
            self.0.wake_by_ref();
        }
    }

    let start = Instant::now();
    let layer = Timeout::builder("gated").attempt(ms(300)).build().unwrap();
    let mut service = layer.layer(Gated::default());
    let ready = poll_fn(|cx| {
        let another = Waker::from(Arc::new(Another(cx.waker().clone())));
        service.poll_ready(&mut Context::from_waker(&another))
    });
    ready.await.unwrap();
    assert!((ms(300)..ms(305)).contains(&Instant::now().since(start)));
    assert!(service.call(ms(1)).await.is_err(), "it was too late to be called");
}
