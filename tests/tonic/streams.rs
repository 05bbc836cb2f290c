//! Streams, idle connections, and what a call is sent again with.

use super::*;

#[tokio::test]
async fn defect_72_a_stream_that_the_client_drops_gives_its_slot_back_at_both_ends() {
    // Given a stream, which holds the only slot at each end
    let (echo, mut feeds) = an_echo();
    let (server, server_slots) = (Noticing::new(), Bulkhead::builder("server").limit(1).build().unwrap());
    let (client, client_slots) = (Noticing::new(), Bulkhead::builder("client").limit(1).build().unwrap());
    let address = serve!(guard((server_slots.clone(), server.clone())).grpc(), echo);
    let channel = connect(address).await;
    let service = guard((client_slots.clone(), client.clone())).grpc().layer(channel.clone());
    let mut messages = follow(service).await.unwrap();
    let feed = feeds.recv().await.unwrap();
    feed.send(Ok("one".into())).unwrap();
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "one");
    assert_eq!((server_slots.in_flight(), client_slots.in_flight()), (1, 1));
    assert_eq!(ask(channel.clone(), "hello").await.unwrap_err().message(), "no slot is free");

    // When the client leaves in the middle
    drop(messages);

    // Then both ends let go of it, the server too, and neither blames anybody
    assert_eq!(client.ended(1).await, [Outcome::Abandoned]);
    within("the end of the stream", feed.closed()).await;
    assert_eq!(server.ended(1).await, [Outcome::Abandoned]);
    assert_eq!((server_slots.in_flight(), client_slots.in_flight()), (0, 0));
    assert_eq!(ask(channel, "hello").await.unwrap(), "hello");
}

#[tokio::test]
async fn a_stream_in_both_directions_lasts_until_both_have_ended() {
    let (ends, slots) = (Noticing::new(), Bulkhead::builder("server").limit(1).build().unwrap());
    let address = serve!(guard((slots.clone(), ends.clone())).grpc(), an_echo().0);
    let own = Noticing::new();
    let mut client = Grpc::new(own.clone().layer().grpc().layer(connect(address).await));
    within("readiness", client.ready()).await.unwrap();

    // Given a conversation
    let (say, mut said) = mpsc::unbounded_channel::<Bytes>();
    let path = PathAndQuery::from_static("/test.Echo/both");
    let messages = Request::new(stream::poll_fn(move |cx| said.poll_recv(cx)));
    let mut answers = within("the head of a stream", client.streaming(messages, path, Raw)).await.unwrap().into_inner();
    for text in ["one", "two"] {
        say.send(text.into()).unwrap();
        assert_eq!(next(&mut answers).await.unwrap().unwrap(), text);
        assert_eq!(slots.in_flight(), 1);
    }

    // When one side has said all, the other ends it
    drop(say);
    assert_eq!(next(&mut answers).await.unwrap(), None);
    assert_eq!((ends.ended(1).await, own.ended(1).await), (vec![Outcome::Success], vec![Outcome::Success]));
    assert_eq!(slots.in_flight(), 0);
}

#[tokio::test]
async fn many_messages_with_one_answer_are_one_call_at_both_ends() {
    // Given one who sends message after message
    let (ends, slots) = (Noticing::new(), Bulkhead::builder("server").limit(1).build().unwrap());
    let address = serve!(guard((slots.clone(), ends.clone())).grpc(), an_echo().0);
    let (own, own_slots) = (Noticing::new(), Bulkhead::builder("client").limit(1).build().unwrap());
    let service = guard((own_slots.clone(), own.clone())).grpc().layer(connect(address).await);
    let gather = |said: mpsc::UnboundedReceiver<Bytes>| {
        let (mut client, mut said) = (Grpc::new(service.clone()), said);
        let messages = Request::new(stream::poll_fn(move |cx| said.poll_recv(cx)));
        async move {
            client.ready().await.unwrap();
            client.client_streaming(messages, PathAndQuery::from_static("/test.Echo/gather"), Raw).await
        }
    };
    let (say, said) = mpsc::unbounded_channel::<Bytes>();
    let answer = tokio::spawn(gather(said));
    say.send("one ".into()).unwrap();
    let in_flight = async {
        while slots.in_flight() == 0 {
            tokio::task::yield_now().await
        }
    };
    within("the call", in_flight).await;

    // Then it holds a slot at each end for as long as that, and counts once
    assert_eq!((slots.in_flight(), own_slots.in_flight()), (1, 1));
    assert_eq!(ask(connect(address).await, "hello").await.unwrap_err().message(), "no slot is free");
    say.send("two".into()).unwrap();
    drop(say);
    let answer = within("an answer", answer).await.unwrap().unwrap();
    assert_eq!(answer.into_inner(), "one two");
    assert_eq!((ends.ended(1).await, own.ended(1).await), (vec![Outcome::Success], vec![Outcome::Success]));

    // And one who is cut off in the middle gives both back
    let (say, said) = mpsc::unbounded_channel::<Bytes>();
    let left = tokio::spawn(gather(said));
    say.send("three".into()).unwrap();
    let in_flight = async {
        while slots.in_flight() == 0 {
            tokio::task::yield_now().await
        }
    };
    within("the call", in_flight).await;
    left.abort();
    assert_eq!(ends.ended(2).await[1], Outcome::Abandoned);
    assert_eq!(own.ended(2).await[1], Outcome::Abandoned);
    assert_eq!((slots.in_flight(), own_slots.in_flight()), (0, 0));
}

#[tokio::test]
async fn an_idle_connection_holds_nothing() {
    // Given a server with one slot, and many clients that have called it and stay connected
    let (ends, slots) = (Noticing::new(), Bulkhead::builder("server").limit(1).build().unwrap());
    let address = serve!(guard((slots.clone(), ends.clone())).grpc(), an_echo().0);
    let mut idle = Vec::new();
    for calls in 1..=8 {
        let own = Bulkhead::builder("client").limit(1).build().unwrap();
        let service = own.clone().layer().grpc().layer(connect(address).await);
        // Then each finds the slot free
        assert_eq!(ask(service.clone(), "hello").await.unwrap(), "hello");
        ends.ended(calls).await;
        assert_eq!((slots.in_flight(), own.in_flight()), (0, 0));
        idle.push(service);
    }
    assert_eq!(ends.so_far(), [Outcome::Success; 8]);
}

#[tokio::test]
async fn s8_a_drain_waits_for_streams_and_tells_new_calls_that_the_server_is_unavailable() {
    // Given a stream that goes on
    let (echo, mut feeds) = an_echo();
    let drain = Drain::builder("server").grace(Duration::ZERO).deadline(Duration::from_secs(3600)).build().unwrap();
    let address = serve!(drain.clone().layer().grpc(), echo);
    let channel = connect(address).await;
    let mut messages = follow(channel.clone()).await.unwrap();
    let feed = feeds.recv().await.unwrap();
    feed.send(Ok("one".into())).unwrap();
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "one");

    // When the server drains
    let report = tokio::spawn(drain.begin());

    // Then a new call is told so, on the same connection
    let status = ask(channel, "hello").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the server is shutting down"));
    assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "0");

    // And the stream loses nothing
    feed.send(Ok("two".into())).unwrap();
    drop(feed);
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "two");
    assert_eq!(next(&mut messages).await.unwrap(), None);
    let report = within("the end of the drain", report).await.unwrap();
    assert_eq!((report.ended, report.cut), (1, 0));
}

#[tokio::test]
async fn a_stream_that_a_drain_cuts_ends_in_a_status() {
    let (echo, mut feeds) = an_echo();
    let drain = Drain::builder("server").grace(Duration::ZERO).deadline(Duration::from_millis(20)).build().unwrap();
    let address = serve!(drain.clone().layer().grpc(), echo);
    let mut messages = follow(connect(address).await).await.unwrap();
    let feed = feeds.recv().await.unwrap();
    feed.send(Ok("one".into())).unwrap();
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "one");
    assert_eq!(within("the end of the drain", drain.begin()).await.cut, 1);
    let status = next(&mut messages).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the server shut down before the call was done"));
    within("the end of the stream", feed.closed()).await;
}

/// A client as a generator would write it, over a retry: the messages are sent again, and the channel is given its own bodies.
#[tokio::test]
async fn defect_102_a_call_is_made_again_with_the_same_message() {
    // Given a server that is unavailable once, after it has read the message
    let calls = Arc::new(AtomicU32::new(0));
    let answers = {
        let calls = calls.clone();
        move |request: Request<Bytes>| {
            let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
            assert_eq!(request.get_ref(), "hello");
            async move { if first { Err(Status::unavailable("once")) } else { Ok(Response::new(request.into_inner())) } }
        }
    };
    let unary = answering(move |request| {
        let answers = answers.clone();
        async move { tonic::server::Grpc::new(Raw).unary(service_fn(answers), request).await }
    });
    let address = serve!(tower::layer::util::Identity::new(), unary);

    // When it is called through a retry that may call this method twice
    let layer = Retry::builder("echo")
        .backoff(Backoff::constant(Duration::ZERO))
        .grpc()
        .map_body(Body::new)
        .idempotent(|request: &http::Request<Body>| request.uri().path() == "/test.Echo/unary")
        .build()
        .unwrap();
    let service = layer.layer(connect(address).await);

    // Then the second attempt has the same message, and an answer
    assert_eq!(ask(service, "hello").await.unwrap(), "hello");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_stream_holds_a_slot_and_ends_with_the_assumed_deadline_unless_its_method_says_that_it_lasts() {
    // Given a server with nothing but the stack, whose requests have 200 ms if they name no time
    let trust = Trust::builder().default_deadline(Duration::from_millis(200)).build().unwrap();
    let (ends, (echo, mut feeds)) = (Noticing::new(), an_echo());
    let stack = cofferdam::grpc::server("server").trust(trust).policy(ends.clone()).build().unwrap();
    let (drain, limit) = (stack.drain().unwrap().clone(), stack.shedding().unwrap().limit().clone());
    let address = serve!(stack, echo);
    let channel = connect(address).await;

    // When there is a stream that could as well be one long answer, then it holds a slot, and ends in time
    let mut answer = follow(channel.clone()).await.unwrap();
    let _feed = feeds.recv().await.unwrap();
    assert_eq!((limit.in_flight(), drain.in_flight()), (1, 1));
    assert_eq!(next(&mut answer).await.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(ends.ended(1).await, [Outcome::Failure]);
    assert_eq!(limit.in_flight(), 0);

    // When there is one that lasts, then it holds none, goes on, and is counted by all others to its end
    let mut events = follow_at("/test.Echo/watch", channel).await.unwrap();
    let feed = feeds.recv().await.unwrap();
    assert_eq!((limit.in_flight(), drain.in_flight(), ends.running()), (0, 1, 1));
    tokio::time::sleep(Duration::from_millis(400)).await;
    feed.send(Ok("late".into())).unwrap();
    assert_eq!(next(&mut events).await.unwrap().unwrap(), "late");
    drop(feed);
    assert_eq!(next(&mut events).await.unwrap(), None);
    assert_eq!(ends.ended(2).await, [Outcome::Failure, Outcome::Success]);
    assert_eq!(limit.in_flight(), 0);
}
