//! Clients and servers as generators write them, around and behind the layers.

use tonic::service::interceptor::InterceptorLayer;

use super::*;

#[path = "../../examples/greeter/mod.rs"]
mod greeter;

use greeter::{
    Greeting, Name,
    greeter_client::GreeterClient,
    greeter_server::{Greeter, GreeterServer},
};

/// Greets whom the interceptor has named.
struct Greetings;

#[tonic::async_trait]
impl Greeter for Greetings {
    async fn greet(&self, request: Request<Name>) -> Result<Response<Greeting>, Status> {
        let named = request.metadata().get("x-name").map_or("nobody", |name| name.to_str().unwrap());
        Ok(Response::new(Greeting { text: format!("hello {named}") }))
    }
}

fn names(mut request: Request<()>) -> Result<Request<()>, Status> {
    request.metadata_mut().insert("x-name", "you".parse().unwrap());
    Ok(request)
}

fn refuses(_: Request<()>) -> Result<Request<()>, Status> {
    Err(Status::unauthenticated("who are you"))
}

/// Calls through interceptors around that service: one that names the caller, and one that turns it away.
macro_rules! intercepted {
    ($service:expr) => {{
        let service = $service;
        let ask = |name: &str| Name { text: name.to_owned() };
        let mut named = GreeterClient::with_interceptor(service.clone(), names);
        let greeting = within("an answer", named.greet(ask("you"))).await.unwrap();
        assert_eq!(greeting.into_inner().text, "hello you");
        let status = within("an answer", GreeterClient::with_interceptor(service, refuses).greet(ask("you"))).await;
        assert_eq!(status.unwrap_err().code(), Code::Unauthenticated);
    }};
}

#[tokio::test]
async fn an_interceptor_stands_around_a_channel_behind_any_layer() {
    let address = serve!(tower::layer::util::Identity::new(), GreeterServer::new(Greetings));
    let channel = connect(address).await;
    let (ends, timeout) = (Noticing::new(), Timeout::builder("greeter").attempt(Duration::from_secs(60)).grpc());
    intercepted!(channel.clone());
    intercepted!(ends.clone().layer().grpc().layer(channel.clone()));
    intercepted!(timeout.build().unwrap().layer(channel.clone()));
    intercepted!(Retry::builder("greeter").tonic().build().unwrap().layer(channel.clone()));
    intercepted!(cofferdam::tonic::client("greeter").build().unwrap().layer(channel));
    // What was turned away out there did not come in.
    assert_eq!(ends.ended(1).await, [Outcome::Success]);
}

#[tokio::test]
async fn an_interceptor_stands_around_a_server_behind_any_layer() {
    let (ends, stack) = (Noticing::new(), cofferdam::tonic::server("greeter"));
    let stack = stack.policy(ends.clone()).build().unwrap();
    let layers = ServiceBuilder::new().layer(InterceptorLayer::new(refuses)).layer(stack).into_inner();
    let address = serve!(layers, GreeterServer::new(Greetings));
    let call = GreeterClient::new(connect(address).await).greet(Name::default()).await;
    assert_eq!(call.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(ends.so_far(), []);
}
