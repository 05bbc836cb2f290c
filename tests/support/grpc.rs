//! gRPC over real sockets without generated code: messages are bytes, and there is one service.

use std::{
    convert::Infallible,
    net::SocketAddr,
    task::{Context, Poll},
};

use bytes::{Buf, BufMut, Bytes};
use futures_util::FutureExt;
use tokio::net::TcpListener;
use tonic::{
    Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::NamedService,
    transport::{Channel, Endpoint, server::TcpIncoming},
};
use tower::{Service, service_fn, util::BoxCloneSyncService};

use super::within;

#[derive(Clone, Copy)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Any service under the one name that is called.
#[derive(Clone)]
pub(crate) struct Named<S>(pub(crate) S);

impl<S> NamedService for Named<S> {
    const NAME: &'static str = "test.Echo";
}

impl<S: Service<http::Request<Body>>> Service<http::Request<Body>> for Named<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> S::Future {
        self.0.call(request)
    }
}

/// A service as a generator would write it: it finds the method by the path, and fails in its answers only.
pub(crate) type Answering = Named<BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Infallible>>;

pub(crate) fn answering<A>(answer: impl Fn(http::Request<Body>) -> A + Clone + Send + Sync + 'static) -> Answering
where
    A: Future<Output = http::Response<Body>> + Send + 'static,
{
    Named(BoxCloneSyncService::new(service_fn(move |request| answer(request).map(Ok))))
}

/// Where a server can be called, and what it is given to serve.
pub(crate) async fn incoming() -> (SocketAddr, TcpIncoming) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), TcpIncoming::from(listener))
}

pub(crate) async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    within("a connection", endpoint.connect()).await.unwrap()
}
