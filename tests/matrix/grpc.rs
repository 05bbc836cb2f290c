//! What is served over gRPC: as over HTTP, each message says what is to become of it.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, server::Grpc};
use tower::service_fn;

use crate::{
    app::{Feeds, class},
    support::{Answering, Raw, answering},
};

pub(crate) fn echo(feeds: Feeds) -> Answering {
    answering(move |request| {
        let feeds = feeds.clone();
        async move {
            let mut server = Grpc::new(Raw);
            // A unary call is held open, too: on the wire it is a stream of one message.
            let held = request.headers().contains_key("x-held");
            if request.uri().path().ends_with("/unary") && !held {
                let one = |request| async { answer(request).await.map(Response::new) };
                server.unary(service_fn(one), request).await
            } else {
                let many = service_fn(move |request| answers(feeds.clone(), request));
                server.server_streaming(many, request).await
            }
        }
    })
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
