//! Hyper where HTTP is not a request and then an answer: upgrades, tunnels, heads without bodies, answers before the
//! answer, and pools that are made of services.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use cofferdam::{BoxError, BreakerState, Bulkhead, CircuitBreaker, Http, Outcome, Policy, Refused, Timeout, guard};
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, client::conn::http1, upgrade};
use hyper_util::{
    client::{
        legacy::{self, Client, connect::HttpConnector},
        pool::cache,
    },
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};

use crate::support::{Noticing, fed, nobody, serve, within};

fn slots() -> Bulkhead {
    Bulkhead::builder("edges").limit(1).build().unwrap()
}

/// Switches protocols, and sends back what comes from then on: as long as that lasts, under that guard.
fn switch(request: Request<Incoming>, conversation: cofferdam::Guard<Bulkhead>) -> Response<Full<Bytes>> {
    let status = if request.method() == Method::CONNECT { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS };
    tokio::spawn(async move {
        let talk = conversation.call(&(), || async {
            let mut io = TokioIo::new(upgrade::on(request).await.map_err(|_| "no upgrade")?);
            let mut bytes = [0; 64];
            loop {
                match io.read(&mut bytes).await {
                    Ok(0) | Err(_) => return Ok(()),
                    Ok(read) => io.write_all(&bytes[..read]).await.map_err(|_| "no write")?,
                }
            }
        });
        let ended: Result<(), Refused<&str>> = talk.await;
        ended.unwrap();
    });
    let response = Response::builder().status(status);
    let response = if status == StatusCode::OK {
        response
    } else {
        response.header(header::UPGRADE, "echo").header(header::CONNECTION, "upgrade")
    };
    response.body(Full::default()).unwrap()
}

#[tokio::test]
async fn defect_191_219_an_upgrade_ends_the_call_and_what_follows_can_be_guarded_by_itself() {
    // Given a server that switches protocols, with one slot for calls and one for conversations
    let (calls, ends, conversations) = (slots(), Noticing::new(), slots());
    let conversation = conversations.clone();
    let service = service_fn(move |request| {
        let response = switch(request, conversation.clone().layer());
        async { Ok::<_, Infallible>(response) }
    });
    let address = serve(guard((calls.clone(), ends.clone())).http().layer(service)).await;

    // When a client upgrades, behind a guard of its own
    let own = Noticing::new();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("http://{address}/"))
        .header(header::UPGRADE, "echo")
        .header(header::CONNECTION, "upgrade")
        .body(Empty::new())
        .unwrap();
    let response = within("an answer", own.clone().layer().http().layer(client).oneshot(request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);

    // Then both ends have ended the call as a success, and the connection goes on
    assert_eq!((ends.ended(1).await, own.ended(1).await), (vec![Outcome::Success], vec![Outcome::Success]));
    assert_eq!(calls.in_flight(), 0);
    let mut io = TokioIo::new(within("an upgrade", upgrade::on(response)).await.unwrap());
    for text in ["one", "two"] {
        io.write_all(text.as_bytes()).await.unwrap();
        let mut back = [0; 3];
        within("an echo", io.read_exact(&mut back)).await.unwrap();
        assert_eq!(back, text.as_bytes());
        assert_eq!(conversations.in_flight(), 1, "it is the conversation that holds a slot");
    }

    // Until that ends
    drop(io);
    within("the end of the conversation", idle(&conversations)).await;
}

async fn idle(slots: &Bulkhead) {
    while slots.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn defect_219_a_tunnel_is_no_answer_that_goes_on() {
    // Given a proxy
    let (calls, ends, tunnels) = (slots(), Noticing::new(), slots());
    let tunnel = tunnels.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        assert_eq!(request.method(), Method::CONNECT);
        let response = switch(request, tunnel.clone().layer());
        async { Ok::<_, Infallible>(response) }
    });
    let address = serve(guard((calls.clone(), ends.clone())).http().layer(service)).await;

    // When somebody opens a tunnel through it
    let mut io = TcpStream::connect(address).await.unwrap();
    io.write_all(b"CONNECT shop.example:80 HTTP/1.1\r\nhost: shop.example:80\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("the head", io.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 200"));

    // Then the call is over, and the tunnel is open
    assert_eq!((ends.ended(1).await, calls.in_flight()), (vec![Outcome::Success], 0));
    io.write_all(b"through").await.unwrap();
    let mut back = [0; 7];
    within("an echo", io.read_exact(&mut back)).await.unwrap();
    assert_eq!((&back, tunnels.in_flight()), (b"through", 1));
    drop(io);
    within("the end of the tunnel", idle(&tunnels)).await;
}

#[tokio::test]
async fn a_head_has_no_body_and_is_a_success_at_both_ends() {
    // Given a server that answers a `HEAD` as it would a `GET`: whoever serves it leaves the body out
    let (slots, ends, own) = (slots(), Noticing::new(), Noticing::new());
    let service = service_fn(|_: Request<Incoming>| async {
        let (feed, body) = fed();
        feed.send("12345".into()).unwrap();
        Ok::<_, Infallible>(Response::builder().header("content-length", "5").body(body).unwrap())
    });
    let address = serve(guard((slots.clone(), ends.clone())).http().layer(service)).await;
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let client = own.clone().layer().http().layer(client);

    // Then it was a success, although five bytes were promised and none came
    let request = Request::head(format!("http://{address}/")).body(Empty::new()).unwrap();
    let response = within("an answer", client.oneshot(request)).await.unwrap();
    assert_eq!((response.status(), &response.headers()["content-length"]), (StatusCode::OK, &"5".parse().unwrap()));
    assert!(within("the body", response.into_body().collect()).await.unwrap().to_bytes().is_empty());
    assert_eq!((ends.ended(1).await, own.ended(1).await), (vec![Outcome::Success], vec![Outcome::Success]));
    assert_eq!(slots.in_flight(), 0);
}

#[tokio::test]
async fn an_answer_before_the_answer_does_not_end_a_call() {
    // Given a server that reads its requests
    let (slots, ends) = (slots(), Noticing::new());
    let service = service_fn(|request: Request<Incoming>| async {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    });
    let address = serve(guard((slots.clone(), ends.clone())).http().layer(service)).await;

    // When a client asks first whether its body is welcome
    let mut io = TcpStream::connect(address).await.unwrap();
    io.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n").await.unwrap();
    let mut informed = [0; 25];
    within("a 100", io.read_exact(&mut informed)).await.unwrap();
    assert_eq!(&informed, b"HTTP/1.1 100 Continue\r\n\r\n");

    // Then the call goes on, and ends with the answer that is one
    assert_eq!((slots.in_flight(), ends.so_far().len()), (1, 0));
    io.write_all(b"hello").await.unwrap();
    assert_eq!(ends.ended(1).await, [Outcome::Success]);

    // Whereas one that is rejected is told so at once, and need not send it
    let full = guard(slots.clone()).call(&(), std::future::pending::<Result<(), ()>>);
    let mut full = Box::pin(full);
    assert!(futures_util::poll!(&mut full).is_pending());
    let mut io = TcpStream::connect(address).await.unwrap();
    io.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n").await.unwrap();
    let mut status = [0; 12];
    within("a 503", io.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 503");
}

#[tokio::test]
async fn nobody_there_is_told_apart_from_a_bad_answer() {
    let request = |address: SocketAddr| Request::get(format!("http://{address}/")).body(Empty::<Bytes>::new()).unwrap();
    let client = || Client::builder(TokioExecutor::new()).build_http();

    // Given a guard for which a refused connection is an overload: its calls may go elsewhere
    let ends = Noticing::new();
    let protocol = Http::new().classify_errors(|error: &legacy::Error| match error.is_connect() {
        true => Outcome::Overload,
        false => Outcome::Failure,
    });
    let service = ends.clone().layer().protocol(protocol).layer(client());
    let error = within("an answer", service.clone().oneshot(request(nobody().await))).await.map(drop).unwrap_err();
    assert!(error.is_connect());
    assert_eq!(ends.ended(1).await, [Outcome::Overload]);

    // Then an answer that is none is a failure all the same
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rude = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"what?\r\n\r\n").await;
    });
    let error = within("an answer", service.oneshot(request(rude))).await.map(drop).unwrap_err();
    assert!(!error.is_connect());
    assert_eq!(ends.ended(2).await, [Outcome::Overload, Outcome::Failure]);

    // And the same word on the layer itself, where asking wrongly is nobody's failure
    let ends = Noticing::new();
    let layer = ends.clone().layer().http().classify_errors(|_: &legacy::Error| Outcome::Ignored);
    let relative = Request::get("/relative").body(Empty::<Bytes>::new()).unwrap();
    assert!(within("an answer", layer.layer(client()).oneshot(relative)).await.is_err());
    assert_eq!(ends.ended(1).await, [Outcome::Ignored]);
}

#[tokio::test]
async fn a_breaker_around_the_connector_judges_connections_and_nothing_else() {
    // Given a breaker and a timeout around what connects, and a server that fails at every request
    let connecting = CircuitBreaker::builder("connect").consecutive_failures(2).build().unwrap();
    let connector = ServiceBuilder::new()
        .layer(connecting.clone().layer())
        .layer(Timeout::builder("connect").attempt(Duration::from_secs(5)).build().unwrap())
        .map_err(BoxError::from)
        .service(HttpConnector::new());
    // Hyper's client wants futures that may be moved, and a timer may not.
    let connector = BoxCloneSyncService::new(connector);
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let failing = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::builder().status(500).body(Full::<Bytes>::default()).unwrap())
    });
    let address = serve(failing).await;

    // Then failures that are answers say nothing against connecting
    for _ in 0..5 {
        let response = within("an answer", client.get(uri(address))).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        response.into_body().collect().await.unwrap();
    }
    assert_eq!((connecting.state(), connecting.counts().failures), (BreakerState::Closed, 0));

    // And refused connections do, until nobody tries any more
    let nobody = uri(nobody().await);
    for _ in 0..2 {
        assert!(within("an answer", client.get(nobody.clone())).await.unwrap_err().is_connect());
    }
    assert_eq!(connecting.state(), BreakerState::Open);
    let error = within("an answer", client.get(nobody)).await.unwrap_err();
    assert_eq!(cofferdam::Rejected::find(&error).unwrap().by().as_str(), "connect");
}

fn uri(address: SocketAddr) -> Uri {
    format!("http://{address}/").parse().unwrap()
}

#[tokio::test]
async fn a_pool_that_is_made_of_services_is_guarded_wherever_one_likes() {
    // Given a pool of connections, each behind a guard, as is what makes them
    let ends = Noticing::new();
    let (connecting, each) = (slots(), guard(ends.clone()).http());
    let connect = service_fn(move |address: SocketAddr| {
        let each = each.clone();
        Box::pin(async move {
            let io = TokioIo::new(TcpStream::connect(address).await?);
            let (sender, connection) = http1::handshake::<_, Empty<Bytes>>(io).await?;
            tokio::spawn(connection);
            Ok::<_, BoxError>(each.layer(Sender(sender)))
        })
    });
    let mut pool = cache::builder().build(connecting.clone().layer().layer(connect));
    let hello = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
    });
    let address = serve(hello).await;
    let request = || Request::get("/").header("host", "localhost").body(Empty::new()).unwrap();

    // Then calls go through it one after the other, over one connection
    for calls in 1..=3 {
        let mut connection = within("a connection", pool.ready().await.unwrap().call(address)).await.unwrap();
        let response = within("an answer", connection.ready().await.unwrap().call(request())).await.unwrap();
        assert_eq!(within("the body", response.into_body().collect()).await.unwrap().to_bytes(), "hello");
        assert_eq!(ends.ended(calls).await, vec![Outcome::Success; calls]);
        assert_eq!(connecting.in_flight(), 0);
    }

    // And a connection that cannot be had is an error of the pool, not of a connection
    let error = within("an answer", pool.ready().await.unwrap().call(nobody().await)).await;
    assert!(error.is_ok(), "the idle connection is good for any address: keys are another pool's business");
    let mut fresh = cache::builder().build(connecting.clone().layer().layer(service_fn(|address: SocketAddr| {
        Box::pin(async move { TcpStream::connect(address).await.map_err(BoxError::from) })
    })));
    assert!(within("an answer", fresh.ready().await.unwrap().call(nobody().await)).await.is_err());
    assert_eq!(connecting.in_flight(), 0);
}

/// A connection as a service.
struct Sender(http1::SendRequest<Empty<Bytes>>);

impl Service<Request<Empty<Bytes>>> for Sender {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
