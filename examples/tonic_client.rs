//! A Tonic client that does not hang on a service that is down, nor keeps it down.
//!
//! ```console
//! cargo run --features tonic --example tonic_client                # while the example `tonic_server` runs
//! cargo run --features tonic --example tonic_client -- --quick     # starts a service that fails for a while, and ends
//! ```

mod greeter;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use cofferdam::{
    AdaptiveThrottle, BoxError, BreakerState, Bulkhead, CircuitBreaker, ContextHeaders, Dependency, Failed, Fallback,
    Retry, Timeout,
    grpc::{Code, trailers_only},
    guard,
};
use greeter::{
    Greeting, Name,
    greeter_client::GreeterClient,
    greeter_server::{Greeter, GreeterServer},
};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let argument = std::env::args().nth(1);
    let quick = argument.as_deref() == Some("--quick");
    let url = match argument {
        Some(url) if !quick => url,
        None => "http://127.0.0.1:50051".to_owned(),
        Some(_) => serve().await?,
    };
    let greeter = Dependency::builder("greeter").build()?;
    let breaker = CircuitBreaker::builder("greeter")
        .dependency(&greeter)
        .consecutive_failures(4)
        .open_time(Duration::from_millis(100))
        .build()?;

    // The first layer is the outermost.
    let channel = ServiceBuilder::new()
        // Answers when nobody else does: outermost, as it answers for all that is inside.
        .layer(Fallback::function(sorry).grpc())
        // Asks again where that helps, of what may be asked twice, and not while the breaker is open: outside of the guard, so
        // that each attempt is counted by itself. It says `.tonic()`, as a channel takes no other bodies than those of Tonic.
        .layer(
            Retry::builder("greeter").dependency(&greeter).attempts(2).tonic().idempotent(may_be_sent_twice).build()?,
        )
        // One service for several policies: does not call what does not work, sends no more than is taken, and has so
        // many calls at a time at most. The breaker is first, so that an open one costs no slot.
        .layer(
            guard((
                breaker.clone(),
                AdaptiveThrottle::builder("greeter").build()?,
                Bulkhead::builder("greeter").limit(32).build()?,
            ))
            .grpc(),
        )
        // A call that takes longer is a failure, which the breaker counts; so it stands inside of that.
        .layer(
            Timeout::builder("greeter")
                .attempt(Duration::from_millis(300))
                .grpc()
                .between_frames(Duration::from_secs(5))
                .build()?,
        )
        // Tells the service how much time is left and how much it matters: innermost, so that it knows all of that.
        .layer(ContextHeaders::grpc().outbound())
        .service(Endpoint::from_shared(url)?.connect_lazy());
    let mut greeter = GreeterClient::new(channel);

    let mut failed = 0;
    for call in 1..=40 {
        let answer = greeter.greet(Name { text: "you".to_owned() }).await;
        failed += u32::from(answer.is_err());
        let text = match answer {
            Ok(greeting) => greeting.into_inner().text,
            Err(status) => format!("{}: {}", status.code(), status.message()),
        };
        println!("{call:>2} {:<9} {text}", breaker.state().to_string());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if quick {
        assert!((4..40).contains(&failed), "the outage is contained, and has an end: {failed}");
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
    Ok(())
}

/// Nobody minds being greeted twice.
fn may_be_sent_twice(request: &http::Request<tonic::body::Body>) -> bool {
    request.uri().path().ends_with("/Greet")
}

/// What callers are told instead: a status of your own, or a message that was kept.
fn sorry<B: From<bytes::Bytes>, E>(_: Failed<http::Response<B>, E>) -> Result<http::Response<B>, E> {
    Ok(trailers_only(Code::Unavailable, "nobody is there to greet you", None).map(B::from))
}

/// A service whose first calls fail.
struct OutOfOrder(AtomicU32);

#[tonic::async_trait]
impl Greeter for OutOfOrder {
    async fn greet(&self, name: Request<Name>) -> Result<Response<Greeting>, Status> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0..6 => Err(Status::internal("out of order")),
            _ => Ok(Response::new(Greeting { text: format!("hello {}", name.into_inner().text) })),
        }
    }
}

async fn serve() -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::builder().add_service(GreeterServer::new(OutOfOrder(AtomicU32::new(0))));
    tokio::spawn(async move { server.serve_with_incoming(TcpIncoming::from(listener)).await });
    Ok(format!("http://{address}"))
}
