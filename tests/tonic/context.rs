//! What a request is worth, down a call tree.

use super::*;

/// What arrived on the wire, and what is made of it.
type Arrived = (Option<String>, Carried);

/// A service that says what it was told, and asks the next one, if there is one, for each call.
fn telling(tell: mpsc::UnboundedSender<Arrived>, next: Option<Channel>) -> Answering {
    answering(move |request| {
        let (tell, next) = (tell.clone(), next.clone());
        let answer = service_fn(move |request: Request<Bytes>| {
            let (tell, next) = (tell.clone(), next.clone());
            async move {
                let wire = request.extensions().get::<Wire>().unwrap().0.clone();
                tell.send((wire, Carried::of(request.extensions()))).unwrap();
                let Some(next) = next else { return Ok(Response::new(Bytes::new())) };
                // Tonic has extensions in its requests, and passes them on to the layers of its channel.
                let mut outgoing = Request::new(Bytes::new());
                outgoing.set_timeout(Duration::from_secs(86_400));
                outgoing.extensions_mut().on_behalf_of(request.extensions());
                outgoing.extensions_mut().set_criticality(Criticality::CriticalPlus);
                let channel = ServiceBuilder::new().layer(ContextHeaders::grpc().outbound()).service(next);
                send(channel, outgoing).await
            }
        });
        async move { tonic::server::Grpc::new(Raw).unary(answer, request).await }
    })
}

/// The timeout as it came.
#[derive(Clone)]
struct Wire(Option<String>);

/// Serves it behind what reads the context, which says what came.
async fn asking(next: Option<SocketAddr>) -> (SocketAddr, mpsc::UnboundedReceiver<Arrived>) {
    let next = match next {
        Some(address) => Some(connect(address).await),
        None => None,
    };
    let (tell, told) = mpsc::unbounded_channel();
    let look = MapRequestLayer::new(|mut request: http::Request<Body>| {
        let wire = request.headers().get("grpc-timeout").map(|value| value.to_str().unwrap().to_owned());
        request.extensions_mut().insert(Wire(wire));
        request
    });
    let layers = ServiceBuilder::new().layer(look).layer(ContextHeaders::grpc().inbound(Trust::default()));
    (serve!(layers.into_inner(), telling(tell, next)), told)
}

#[tokio::test]
async fn defect_144_164_a_timeout_and_a_class_reach_the_end_of_a_call_tree_and_are_never_more() {
    // Given two services, one behind the other
    let (last, mut second) = asking(None).await;
    let (address, mut first) = asking(Some(last)).await;
    let channel = connect(address).await;

    // (what Tonic itself sends, what is left at most at the first)
    for (timeout, most) in [("5S", 5), ("5000m", 5), ("99999999H", 3600), ("5000000u", 5)] {
        let mut request = Request::new(Bytes::new());
        request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        request.metadata_mut().insert("x-request-criticality", "sheddable-plus".parse().unwrap());
        request.metadata_mut().insert("x-request-task", "order 4711".parse().unwrap());
        send(channel.clone(), request).await.unwrap();

        let (wire, caller) = first.recv().await.unwrap();
        assert_eq!(wire.as_deref(), Some(timeout));
        assert!(caller.deadline().unwrap() <= Deadline::after(Duration::from_secs(most)));

        // Then the second is told no more than the first, in a form that gRPC has
        let (wire, told) = second.recv().await.unwrap();
        let wire = wire.unwrap();
        assert!(wire.len() <= 9 && wire.ends_with(['u', 'm']), "{wire}");
        assert!(told.deadline().unwrap() <= Deadline::after(Duration::from_secs(most)));
        for carried in [caller, told] {
            assert_eq!(carried.criticality(), Some(Criticality::SheddablePlus));
            assert_eq!(carried.task(), Some(TaskKey::of("order 4711")));
        }
    }
}

#[tokio::test]
async fn a_deadline_that_was_told_ends_the_call_at_the_server() {
    // Given a server that keeps to deadlines, and a service that never answers
    let timeout = Timeout::builder("server").deadline().grpc().build().unwrap();
    let ends = Noticing::new();
    let layers = ServiceBuilder::new()
        .layer(
            ContextHeaders::grpc()
                .inbound(Trust::builder().longest_deadline(Duration::from_millis(50)).build().unwrap()),
        )
        .layer(guard(ends.clone()).grpc())
        .layer(timeout);
    let address = serve!(layers.into_inner(), an_echo().0);

    // When a client is ready to wait for an hour, then it waits for as long as the server believes
    let mut request = Request::new(Bytes::from_static(b"never"));
    request.set_timeout(Duration::from_secs(3600));
    let status = send(connect(address).await, request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "the deadline passed"));
    assert_eq!(ends.ended(1).await, [Outcome::Failure]);
}

/// A client in a line over a real channel: what is left of the time is told anew to each attempt, and which attempt it is.
#[tokio::test]
async fn each_attempt_is_told_what_is_left_of_the_time() {
    // Given a server that is unavailable twice, and then once more
    let (tell, mut told) = mpsc::unbounded_channel();
    let calls = Arc::new(AtomicU32::new(0));
    let attempts = answering(move |request: http::Request<Body>| {
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let head = header("x-request-head-timeout-ms");
        tell.send((header("grpc-timeout"), head, header("grpc-previous-rpc-attempts"))).unwrap();
        let is_there = [2, 4].contains(&calls.fetch_add(1, Ordering::SeqCst));
        let answer = service_fn(move |request: Request<Bytes>| async move {
            if is_there { Ok(Response::new(request.into_inner())) } else { Err(Status::unavailable("not yet")) }
        });
        async move { tonic::server::Grpc::new(Raw).unary(answer, request).await }
    });
    let address = serve!(tower::layer::util::Identity::new(), attempts);

    // When it is called through a stack, by somebody who has ten seconds
    let stack = cofferdam::grpc::client("echo")
        .idempotent(|_: &http::Request<Body>| true)
        .map_body(Body::new::<Replay<Body>>)
        .retry(|retry| retry.attempts(3).backoff(Backoff::constant(Duration::from_millis(20))))
        .without_hedge()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    let mut request = Request::new(Bytes::from_static(b"hello"));
    request.extensions_mut().set_deadline(Deadline::after(Duration::from_secs(10)));
    let channel = stack.layer(connect(address).await);
    assert_eq!(send(channel.clone(), request).await.unwrap().into_inner(), "hello");

    // Then each attempt is told what is left, that its head may take no more than an attempt, and its number
    for previous in [None, Some("1"), Some("2")] {
        let (timeout, head, attempt) = within("an attempt", told.recv()).await.unwrap();
        let left = Trust::default().deadline(&timeout.unwrap()).unwrap().remaining();
        assert!(left > Duration::from_secs(5) && left <= Duration::from_secs(10), "{left:?}");
        assert!((1..=5_000).contains(&head.unwrap().parse::<u64>().unwrap()));
        assert_eq!(attempt.as_deref(), previous);
    }

    // And where all of it is less than that, it is less each time
    let mut request = Request::new(Bytes::from_static(b"hello"));
    request.extensions_mut().set_deadline(Deadline::after(Duration::from_secs(4)));
    send(channel, request).await.unwrap();
    let mut millis = Vec::new();
    for _ in 0..2 {
        let (timeout, head, _) = within("an attempt", told.recv()).await.unwrap();
        assert_eq!(head, None);
        millis.push(Trust::default().deadline(&timeout.unwrap()).unwrap().remaining().as_millis());
    }
    assert!(millis[0] <= 4_000 && millis[1] + 20 <= millis[0], "{millis:?}");
}
