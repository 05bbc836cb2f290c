//! What a status means, and how rejections are worded.

use super::*;

#[tokio::test]
async fn defect_216_both_ends_see_the_status_wherever_it_is() {
    // Given a guard at each end of the wire
    let (echo, mut feeds) = an_echo();
    let (server, server_breaker) = (Noticing::new(), breaker());
    let (client, client_breaker) = (Noticing::new(), breaker());
    let address = serve!(guard((server.clone(), server_breaker.clone())).grpc(), echo);
    let service = ServiceBuilder::new()
        .layer(guard((client.clone(), client_breaker.clone())).grpc())
        .service(connect(address).await);

    // When a call fails, whose status is in the head
    assert_eq!(ask(service.clone(), "13").await.unwrap_err().code(), Code::Internal);

    // And one whose status is in the trailers, after three messages
    let mut messages = follow(service.clone()).await.unwrap();
    let feed = feeds.recv().await.unwrap();
    for text in ["one", "two", "three"] {
        feed.send(Ok(text.into())).unwrap();
        assert_eq!(next(&mut messages).await.unwrap().unwrap(), text);
    }
    assert_eq!((server.so_far().len(), client.so_far().len()), (1, 1), "a call that goes on has ended");
    feed.send(Err(Status::internal("as fed"))).unwrap();
    assert_eq!(next(&mut messages).await.unwrap_err().code(), Code::Internal);

    // And one succeeds
    assert_eq!(ask(service, "hello").await.unwrap(), "hello");

    // Then that is what both have seen
    for (ends, breaker) in [(server, server_breaker), (client, client_breaker)] {
        assert_eq!(ends.ended(3).await, [Outcome::Failure, Outcome::Failure, Outcome::Success]);
        assert_eq!((breaker.counts().calls, breaker.counts().failures), (3, 2));
    }
}

#[tokio::test]
async fn what_the_caller_did_wrong_is_not_the_dependency_s_failure() {
    let ends = Noticing::new();
    let address = serve!(ends.clone().layer().grpc(), an_echo().0);
    let channel = connect(address).await;
    for code in [3, 5, 6, 7, 9, 10, 11, 12, 16] {
        assert_eq!(ask(channel.clone(), code.to_string().leak()).await.unwrap_err().code(), Code::from_i32(code));
    }
    assert_eq!(ends.ended(9).await, [Outcome::Success; 9]);

    // Nor is a method that nobody has
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/test.Nobody/unary");
    let answer = client.unary::<Bytes, Bytes, _>(Request::new(Bytes::new()), path, Raw);
    assert_eq!(within("an answer", answer).await.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(ends.ended(10).await[9], Outcome::Success);
}

#[tokio::test]
async fn a_rejection_is_an_unavailable_with_pushback_at_either_end() {
    let ten = Duration::from_secs(600);
    let open = shut(
        &CircuitBreaker::builder("secret")
            .consecutive_failures(1)
            .open_time(ten)
            .open_time_max(ten)
            .open_time_jitter(0.0)
            .build()
            .unwrap(),
    );
    let pushback = |status: &Status| -> u64 {
        status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap()
    };

    // Given an open breaker around a server, then the client is told, and told nothing more than that
    let address = serve!(open.clone().layer().grpc(), an_echo().0);
    let seen = Noticing::new();
    let service = seen.clone().layer().grpc().layer(connect(address).await);
    for status in [ask(service.clone(), "hello").await.unwrap_err(), follow(service).await.unwrap_err()] {
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "the circuit is open"));
        assert!((590_000..=600_000).contains(&pushback(&status)), "{status:?}");
    }

    // And a guard in another process takes it for an overload
    assert_eq!(seen.ended(2).await, [Outcome::Overload; 2]);

    // Given one around a client, then it is the same, without a server and without a connection
    let nobody = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
    let status = ask(open.layer().grpc().layer(nobody), "hello").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the circuit is open"));
    assert!((590_000..=600_000).contains(&pushback(&status)), "{status:?}");
}

/// As over HTTP, where it is a 503.
#[tokio::test]
async fn a_server_that_has_no_room_is_heeded_and_opens_no_breaker() {
    // Given a server whose one slot is taken, and a client with the stack in a line
    let slots = Bulkhead::builder("server").limit(1).build().unwrap();
    let server = cofferdam::grpc::server("server").shedding(None).policy(slots.clone()).build().unwrap();
    let (echo, mut feeds) = an_echo();
    let channel = connect(serve!(server, echo)).await;
    let (ends, stack) = (Noticing::new(), cofferdam::grpc::client("server").map_body(Body::new::<Replay<Body>>));
    let client = stack.policy(ends.clone()).build().unwrap();
    let messages = follow(channel.clone()).await.unwrap();
    let _feed = feeds.recv().await.unwrap();

    // When it is asked all the same, then it does what it can, and the client sends less
    let mut throttled = 0;
    for _ in 0..100 {
        let status = ask(client.layer(channel.clone()), "hello").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        throttled += u32::from(status.message() == "the dependency is overloaded");
    }
    assert!(throttled > 0 && ends.so_far().iter().all(|end| *end == Outcome::Overload), "{throttled}");
    let breaker = client.breaker().unwrap();
    assert_eq!((breaker.state(), breaker.counts().failures), (BreakerState::Closed, 0));
    drop(messages);
}

#[tokio::test]
async fn defect_145_a_call_whose_time_is_up_is_a_deadline_exceeded() {
    let moment = Duration::from_millis(5);
    let timeout = || Timeout::builder("dependency").attempt(moment).grpc().build().unwrap();
    let stalling = Timeout::builder("dependency").grpc().between_frames(moment).build().unwrap();
    let (server, client) = (Noticing::new(), Noticing::new());

    // At a server, whose guard knows it for a failure, as does that of its client
    let address =
        serve!(ServiceBuilder::new().layer(server.clone().layer().grpc()).layer(timeout()).into_inner(), an_echo().0);
    let status = ask(client.clone().layer().grpc().layer(connect(address).await), "never").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "the call timed out"));
    assert_eq!((server.ended(1).await, client.ended(1).await), (vec![Outcome::Failure], vec![Outcome::Failure]));

    // At a client
    let address = serve!(guard(()).grpc(), an_echo().0);
    let service = ServiceBuilder::new().layer(client.clone().layer().grpc()).layer(timeout());
    let status = ask(service.service(connect(address).await), "never").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "the call timed out"));
    assert_eq!(client.ended(2).await[1], Outcome::Failure);

    // And in the middle of a stream, at a server and at a client
    let (echo, mut feeds) = an_echo();
    let address =
        serve!(ServiceBuilder::new().layer(server.clone().layer().grpc()).layer(stalling.clone()).into_inner(), echo);
    let mut messages = follow(connect(address).await).await.unwrap();
    let _feed = feeds.recv().await.unwrap();
    let status = next(&mut messages).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "the call timed out"));
    assert_eq!(server.ended(2).await[1], Outcome::Failure);

    let (echo, mut feeds) = an_echo();
    let address = serve!(guard(()).grpc(), echo);
    let service = ServiceBuilder::new().layer(client.clone().layer().grpc()).layer(stalling);
    let mut messages = follow(service.service(connect(address).await)).await.unwrap();
    let feed = feeds.recv().await.unwrap();
    assert_eq!(next(&mut messages).await.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(client.ended(3).await[2], Outcome::Failure);
    within("the end of the stream", feed.closed()).await;
}

#[tokio::test]
async fn one_service_of_a_server_is_guarded_by_itself() {
    // Given a guard around one service, which is full
    let slots = Bulkhead::builder("echo").limit(1).build().unwrap();
    let (echo, mut feeds) = an_echo();
    let (address, incoming) = incoming().await;
    let routes = Routes::new(slots.clone().layer().grpc().named_layer(echo));
    tokio::spawn(async move { Server::builder().add_routes(routes).serve_with_incoming(incoming).await.unwrap() });
    let channel = connect(address).await;
    let messages = follow(channel.clone()).await.unwrap();
    let _feed = feeds.recv().await.unwrap();

    // Then it rejects, and others of that server are as they were
    assert_eq!(ask(channel.clone(), "hello").await.unwrap_err().code(), Code::Unavailable);
    let mut other = Grpc::new(channel);
    other.ready().await.unwrap();
    let path = PathAndQuery::from_static("/test.Other/unary");
    let answer = other.unary::<Bytes, Bytes, _>(Request::new(Bytes::new()), path, Raw);
    assert_eq!(within("an answer", answer).await.unwrap_err().code(), Code::Unimplemented);
    drop(messages);
}
