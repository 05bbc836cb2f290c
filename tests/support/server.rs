//! Real sockets on 127.0.0.1, and instruments for both of their ends.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use cofferdam::BoxError;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tower::Service;

use super::within;

/// Which HTTP a test speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// Serves that over both versions of HTTP, upgrades included, until the test is over.
pub(crate) async fn serve<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// An address on which nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// One connection; dropped, it is closed.
pub(crate) struct Connection {
    sender: Sender,
    driver: tokio::task::JoinHandle<()>,
}

enum Sender {
    One(http1::SendRequest<Empty<Bytes>>),
    Two(http2::SendRequest<Empty<Bytes>>),
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, version: Version) -> Self {
        let io = TokioIo::new(within("a connection", TcpStream::connect(address)).await.unwrap());
        match version {
            Version::One => {
                let (sender, connection) = http1::handshake(io).await.unwrap();
                let driver = tokio::spawn(async move { drop(connection.await) });
                Self { sender: Sender::One(sender), driver }
            }
            Version::Two => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
                let driver = tokio::spawn(async move { drop(connection.await) });
                Self { sender: Sender::Two(sender), driver }
            }
        }
    }

    /// The head of an answer.
    pub(crate) async fn get(&mut self, path: &str) -> Response<Incoming> {
        let request = Request::get(path).header("host", "localhost").body(Empty::new()).unwrap();
        let answer = async {
            match &mut self.sender {
                Sender::One(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::Two(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        within("an answer", answer).await.unwrap()
    }

    /// Head and body of an answer.
    pub(crate) async fn read(&mut self, path: &str) -> (u16, Bytes) {
        let response = self.get(path).await;
        let status = response.status().as_u16();
        (status, within("a body", response.into_body().collect()).await.unwrap().to_bytes())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A body that is fed by the test. It does not know its end before it is asked once more.
pub(crate) struct Fed {
    frames: mpsc::UnboundedReceiver<Bytes>,
}

pub(crate) fn fed() -> (mpsc::UnboundedSender<Bytes>, Fed) {
    let (feed, frames) = mpsc::unbounded_channel();
    (feed, Fed { frames })
}

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.frames.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Notices how calls end, so that a test can wait for that instead of sleeping.
#[derive(Clone)]
pub(crate) struct Noticing {
    ends: Arc<watch::Sender<Vec<cofferdam::Outcome>>>,
    running: Arc<AtomicUsize>,
}

impl Noticing {
    pub(crate) fn new() -> Self {
        Self { ends: Arc::new(watch::Sender::new(Vec::new())), running: Arc::default() }
    }

    /// Waits until that many calls have ended, and tells how.
    pub(crate) async fn ended(&self, calls: usize) -> Vec<cofferdam::Outcome> {
        let mut ends = self.ends.subscribe();
        within("the end of the calls", ends.wait_for(|ends| ends.len() >= calls)).await.unwrap().clone()
    }

    /// How many calls have begun and not ended.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    pub(crate) fn so_far(&self) -> Vec<cofferdam::Outcome> {
        self.ends.borrow().clone()
    }
}

impl cofferdam::Policy for Noticing {
    type Kind = cofferdam::Immediate;
    type Token = ();

    fn settle(&self, (): (), ended: &cofferdam::Ended) {
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.ends.send_modify(|ends| ends.push(ended.outcome));
    }

    fn undo(&self, (): (), _: cofferdam::Instant) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<R> cofferdam::Admit<R> for Noticing {
    fn admit(&self, _: &R, _: cofferdam::Instant) -> Result<(), cofferdam::Rejected> {
        self.running.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
