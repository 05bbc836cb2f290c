//! What is served over gRPC: as over HTTP, each message says what is to become of it.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, body::Body, server::Grpc, server::NamedService};
use tower::{Service, service_fn};

use crate::{
    app::{Feeds, class},
    support::Raw,
};

#[derive(Clone)]
pub(crate) struct Echo(pub(crate) Feeds);

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

/// The one answer of a call, or what it fails with.
async fn answer(request: Request<Bytes>) -> Result<Bytes, Status> {
    let wire = request.metadata().clone().into_headers();
    match request.get_ref().as_ref() {
        b"class" => Ok(class(request.extensions(), &wire).into()),
        b"fails" => Err(Status::internal("as asked")),
        b"busy" => Err(Status::resource_exhausted("as asked")),
        b"never" => std::future::pending().await,
        _ => Ok(request.into_inner()),
    }
}

type Messages = Pin<Box<dyn futures_util::Stream<Item = Result<Bytes, Status>> + Send>>;

/// The answers of a call: one, or the ones that the test feeds it. What fails does so in the trailers.
async fn answers(feeds: Feeds, request: Request<Bytes>) -> Result<Response<Messages>, Status> {
    let messages: Messages = match request.get_ref().as_ref() {
        b"hold" => {
            let (feed, mut fed) = mpsc::unbounded_channel();
            feed.send("first".into()).unwrap();
            feeds.send(feed).unwrap();
            Box::pin(stream::poll_fn(move |cx| fed.poll_recv(cx)).map(Ok))
        }
        b"fails" => Box::pin(stream::iter([Ok("first".into()), Err(Status::internal("as asked"))])),
        _ => {
            let answer = answer(request).await;
            Box::pin(stream::iter([answer]))
        }
    };
    Ok(Response::new(messages))
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let feeds = self.0.clone();
        Box::pin(async move {
            let mut server = Grpc::new(Raw);
            // A unary call is held open, too: on the wire it is a stream of one message.
            let held = request.headers().contains_key("x-held");
            Ok(if request.uri().path().ends_with("/unary") && !held {
                let one = |request| async { answer(request).await.map(Response::new) };
                server.unary(service_fn(one), request).await
            } else {
                let many = service_fn(move |request| answers(feeds.clone(), request));
                server.server_streaming(many, request).await
            })
        })
    }
}
