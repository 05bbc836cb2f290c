//! A Tonic server that does what it can under any load, and says no to the rest in time.
//!
//! ```console
//! cargo run --features tonic --example tonic_server                # then run the example `tonic_client`
//! cargo run --features tonic --example tonic_server -- --quick     # calls itself, and ends
//! ```

mod greeter;

use std::{net::SocketAddr, time::Duration};

use cofferdam::{
    AdaptiveLimit, BoxError, Bulkhead, CircuitBreaker, ContextHeaders, Guard, LoadShed, Policy, Timeout, context::Trust,
};
use greeter::{
    Greeting, Name,
    greeter_client::GreeterClient,
    greeter_server::{Greeter, GreeterServer},
};
use tokio::net::TcpListener;
use tonic::{
    Code, Request, Response, Status,
    service::LayerExt,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tower::ServiceBuilder;

/// Greets, and takes its time for some.
struct Greetings {
    /// Around what a database is asked, which is no service.
    database: Guard<CircuitBreaker>,
}

/// Stands for a query.
async fn greeting(name: &str) -> Result<String, Status> {
    Ok(format!("hello {name}"))
}

#[tonic::async_trait]
impl Greeter for Greetings {
    async fn greet(&self, name: Request<Name>) -> Result<Response<Greeting>, Status> {
        let name = name.into_inner().text;
        match name.as_str() {
            "nobody" => std::future::pending().await,
            "a crowd" => tokio::time::sleep(Duration::from_millis(200)).await,
            _ => {}
        }
        // What is rejected there becomes the status of this call, as it would be worded by a layer.
        let text = self.database.call(&name, || greeting(&name)).await?;
        Ok(Response::new(Greeting { text }))
    }
}

async fn serve(listener: TcpListener) -> Result<(), BoxError> {
    // As many calls at a time as get done, found by measuring; the rest waits by rank, or is told no.
    let shed = LoadShed::builder(AdaptiveLimit::builder("server").deadline().build()?).build()?;
    let trust = Trust::builder().longest_deadline(Duration::from_secs(10)).build()?;
    // Of several layers, the first is the outermost.
    let around_everything = ServiceBuilder::new()
        // Reads how much time is left for a call and how much it matters: before anybody asks for that.
        .layer(ContextHeaders::grpc().inbound(trust))
        // Sheds before any work is done. It stands outside of the timeout: who waits for a slot has not begun.
        .layer(shed.layer().grpc())
        // Ends what takes too long, and what nobody waits for any more: innermost, as that is where the time goes.
        .layer(Timeout::builder("server").attempt(Duration::from_millis(500)).deadline().grpc().build()?)
        .into_inner();
    // Around one service of the server only: two calls at a time.
    let slots = Bulkhead::builder("greeter").limit(2).build()?;
    let database = CircuitBreaker::builder("database").build()?.layer();
    let greeter = slots.layer().grpc().named_layer(GreeterServer::new(Greetings { database }));
    let server = Server::builder().layer(around_everything).add_service(greeter);
    Ok(server.serve_with_incoming(TcpIncoming::from(listener)).await?)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let argument = std::env::args().nth(1);
    let quick = argument.as_deref() == Some("--quick");
    let address = match argument {
        Some(address) if !quick => address,
        _ => format!("127.0.0.1:{}", if quick { 0 } else { 50051 }),
    };
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    if quick {
        tokio::spawn(serve(listener));
        return call(address).await;
    }
    serve(listener).await
}

/// What a client sees.
async fn call(address: SocketAddr) -> Result<(), BoxError> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let call = |name: &'static str| {
        let mut greeter = GreeterClient::new(channel.clone());
        async move {
            let answer = greeter.greet(Name { text: name.to_owned() }).await;
            println!("{name}: {answer:?}");
            answer.map(|greeting| greeting.into_inner().text).map_err(|status| status.code())
        }
    };
    assert_eq!(call("you").await, Ok("hello you".to_owned()));
    assert_eq!(call("nobody").await, Err(Code::DeadlineExceeded));
    // Of three at once, one is refused.
    let (one, two, three) = tokio::join!(call("a crowd"), call("a crowd"), call("a crowd"));
    let refused = [one, two, three].into_iter().filter(|answer| *answer == Err(Code::Unavailable));
    assert_eq!(refused.count(), 1);
    Ok(())
}
