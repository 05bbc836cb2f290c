//! Whoever calls, over HTTP or over gRPC.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use cofferdam::{Context, Criticality, Deadline, Why};
use http::{Request, Response, uri::PathAndQuery};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use tokio::task::JoinHandle;
use tonic::{Code, Status, Streaming, body::Body, client::Grpc};
use tower::{ServiceExt, util::BoxCloneSyncService};

use crate::support::{Raw, within};

/// Any service for requests with that body, behind whatever layers: so that the rest is compiled once for all of them. Its
/// error is none with a lifetime in it, which would keep calls from being spawned.
pub(crate) type Boxed<B> = BoxCloneSyncService<Request<B>, Response<AnyBody>, io::Error>;
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, io::Error>;

/// Calls a stack, in its protocol.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) speaks: Speaks,
    /// Whether the layer stands at this end of the wire: then it looks at requests, and not at headers.
    pub(crate) layered: bool,
}

#[derive(Clone)]
pub(crate) enum Speaks {
    Http(Boxed<AnyBody>, SocketAddr),
    Unary(Boxed<Body>),
    Stream(Boxed<Body>),
}

/// What a caller sees of an answer: an HTTP status or a gRPC code, and what is said.
pub(crate) type Seen = (u16, String);

/// One call: what is to become of it, and where it is sent.
#[derive(Clone, Copy)]
pub(crate) struct Ask {
    what: &'static str,
    path: &'static str,
    expired: bool,
}

impl Ask {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, path: "/test.Echo", expired: false }
    }

    /// By another path.
    pub(crate) fn elsewhere(self) -> Self {
        Self { path: "/test.Echo/elsewhere", ..self }
    }

    /// With no time left for it.
    pub(crate) fn expired(self) -> Self {
        Self { expired: true, ..self }
    }
}

/// A call in the middle of its body. Dropped, its caller leaves.
pub(crate) enum Held {
    Http(AnyBody),
    Unary(Leaving),
    Stream(Box<Streaming<Bytes>>),
}

pub(crate) struct Leaving(Option<JoinHandle<Seen>>);

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(call) = &self.0 {
            call.abort();
        }
    }
}

impl Caller {
    pub(crate) async fn ask(&self, what: &'static str) -> Seen {
        self.send(Ask::new(what)).await
    }

    pub(crate) async fn send(&self, ask: Ask) -> Seen {
        let answer = async {
            match &self.speaks {
                Speaks::Http(..) => http_seen(self.head(ask).await).await,
                Speaks::Unary(service) => self.unary(service, ask, false).await,
                Speaks::Stream(_) => match self.messages(ask).await {
                    Ok(messages) => last(messages).await,
                    Err(status) => seen(&status),
                },
            }
        };
        within("an answer", answer).await
    }

    /// A call whose body is held open, once its head has come. Over a unary call nobody sees that, so its answer is awaited
    /// elsewhere, and the end that feeds it tells that it has begun.
    pub(crate) async fn hold(&self) -> Held {
        let ask = Ask::new("hold");
        match &self.speaks {
            Speaks::Http(..) => {
                let mut body = self.head(ask).await.into_body();
                let frame = within("a frame", body.frame()).await.unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap(), "first");
                Held::Http(body)
            }
            Speaks::Unary(service) => {
                let (caller, service) = (self.clone(), service.clone());
                Held::Unary(Leaving(Some(tokio::spawn(async move { caller.unary(&service, ask, true).await }))))
            }
            Speaks::Stream(_) => {
                let mut messages = within("a head", self.messages(ask)).await.unwrap();
                assert_eq!(within("a message", messages.message()).await.unwrap().unwrap(), "first");
                Held::Stream(Box::new(messages))
            }
        }
    }

    async fn head(&self, ask: Ask) -> Response<AnyBody> {
        let Speaks::Http(client, address) = &self.speaks else { panic!("this is not HTTP") };
        let uri = format!("http://{address}{}?{}", ask.path, ask.what);
        let nothing = AnyBody::new(Empty::new().map_err(|never| match never {}));
        let mut request = Request::get(uri).body(nothing).unwrap();
        let (headers, context) = self.context(ask);
        request.headers_mut().extend(headers);
        request.extensions_mut().extend(context);
        within("an answer", client.clone().oneshot(request)).await.unwrap()
    }

    async fn unary(&self, service: &Boxed<Body>, ask: Ask, held: bool) -> Seen {
        let mut client = Grpc::new(service.clone());
        client.ready().await.unwrap();
        let mut request = self.message(ask);
        if held {
            request.metadata_mut().insert("x-held", "1".parse().unwrap());
        }
        match client.unary(request, path(ask.path, "unary"), Raw).await {
            Ok(answer) => (0, text(answer.get_ref())),
            Err(status) => seen(&status),
        }
    }

    async fn messages(&self, ask: Ask) -> Result<Streaming<Bytes>, Status> {
        let Speaks::Stream(service) = &self.speaks else { panic!("this is no stream") };
        let mut client = Grpc::new(service.clone());
        client.ready().await.unwrap();
        client.server_streaming(self.message(ask), path(ask.path, "stream"), Raw).await.map(tonic::Response::into_inner)
    }

    fn message(&self, ask: Ask) -> tonic::Request<Bytes> {
        let (headers, context) = self.context(ask);
        let metadata = tonic::metadata::MetadataMap::from_headers(headers);
        tonic::Request::from_parts(metadata, context, Bytes::from_static(ask.what.as_bytes()))
    }

    /// What a request is worth: on the wire for a layer at the other end, with the request for one at this.
    fn context(&self, ask: Ask) -> (http::HeaderMap, http::Extensions) {
        let (mut headers, mut context) = (http::HeaderMap::new(), http::Extensions::new());
        if self.layered {
            context.set_criticality(Criticality::Sheddable);
            if ask.expired {
                context.set_deadline(Deadline::after(Duration::ZERO));
            }
        } else {
            headers.insert("x-request-criticality", "SHEDDABLE".parse().unwrap());
            if ask.expired {
                headers.insert("x-request-timeout-ms", "0".parse().unwrap());
            }
        }
        (headers, context)
    }

    /// What an answer looks like that is worth that.
    pub(crate) fn answer(&self, text: &str) -> Seen {
        (self.code(200, Code::Ok), text.to_owned())
    }

    pub(crate) fn failure(&self) -> Seen {
        (self.code(500, Code::Internal), "as asked".to_owned())
    }

    pub(crate) fn rejection(&self, why: Why) -> Seen {
        let code = match why {
            Why::RateLimited => self.code(429, Code::ResourceExhausted),
            why if why.is_timeout() => self.code(504, Code::DeadlineExceeded),
            _ => self.code(503, Code::Unavailable),
        };
        (code, why.as_str().to_owned())
    }

    /// The answer of a fallback.
    pub(crate) fn sorry(&self) -> Seen {
        (self.code(200, Code::NotFound), "sorry".to_owned())
    }

    /// Whether a failure is in the trailers, where no fallback sees it.
    pub(crate) fn fails_late(&self) -> bool {
        matches!(self.speaks, Speaks::Stream(_))
    }

    fn code(&self, http: u16, grpc: Code) -> u16 {
        if matches!(self.speaks, Speaks::Http(..)) { http } else { grpc as u16 }
    }
}

impl Held {
    /// Reads the rest, which ends when its feed is dropped.
    pub(crate) async fn finish(self) {
        match self {
            Self::Http(body) => drop(within("the rest", body.collect()).await.unwrap()),
            Self::Unary(mut call) => {
                let answer = within("the rest", call.0.take().unwrap()).await.unwrap();
                assert_eq!(answer, (0, "first".to_owned()));
            }
            Self::Stream(mut messages) => {
                assert_eq!(within("the rest", messages.message()).await.unwrap(), None);
            }
        }
    }
}

fn path(service: &str, method: &str) -> PathAndQuery {
    format!("{service}/{method}").parse().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn seen(status: &Status) -> Seen {
    (status.code() as u16, status.message().to_owned())
}

/// A problem says what happened in its `detail`.
async fn http_seen(response: Response<AnyBody>) -> Seen {
    let status = response.status().as_u16();
    let problem = response.headers().get("content-type").is_some_and(|kind| kind == "application/problem+json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    if problem {
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], status);
        return (status, problem["detail"].as_str().unwrap().to_owned());
    }
    (status, text(&body))
}

/// The last message, if all went well.
async fn last(mut messages: Streaming<Bytes>) -> Seen {
    let mut last = Bytes::new();
    loop {
        match messages.message().await {
            Ok(Some(message)) => last = message,
            Ok(None) => return (0, text(&last)),
            Err(status) => return seen(&status),
        }
    }
}
