//! What a generator would write for a service with one method, here by hand: so that the examples need no `protoc`.
#![allow(dead_code)] // a server uses one half, and a client the other

use std::{convert::Infallible, pin::Pin, task};

use bytes::{Buf, BufMut};
use cofferdam::BoxError;
use tonic::{
    Request, Response, Status,
    body::Body,
    client::GrpcService,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http,
    server::NamedService,
};
use tower::{Service, service_fn};

/// Messages are text.
#[derive(Clone, Copy)]
pub(crate) struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        String::from_utf8(bytes.into()).map(Some).map_err(|_| Status::invalid_argument("that is no text"))
    }
}

/// The server's half: greets by that function.
#[derive(Clone)]
pub(crate) struct Greeter<F>(pub(crate) F);

impl<F> NamedService for Greeter<F> {
    const NAME: &'static str = "example.Greeter";
}

impl<F, A> Service<http::Request<Body>> for Greeter<F>
where
    F: Fn(Request<String>) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Response<String>, Status>> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), Infallible>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let greet = self.0.clone();
        Box::pin(async move { Ok(tonic::server::Grpc::new(Text).unary(service_fn(greet), request).await) })
    }
}

/// The client's half, over any channel: with layers around it or without.
pub(crate) async fn greet<S>(channel: S, name: &str) -> Result<String, Status>
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<BoxError>,
{
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.into().to_string()))?;
    let path = http::uri::PathAndQuery::from_static("/example.Greeter/Greet");
    client.unary(Request::new(name.to_owned()), path, Text).await.map(Response::into_inner)
}
