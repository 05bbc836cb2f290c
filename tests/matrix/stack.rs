//! The columns, as far as a row is concerned.

use std::io;

use bytes::Bytes;
use cofferdam::{
    ContextHeaders, Failed, Grpc, Guard, Http, Keyed, Policy, Replay,
    context::Trust,
    grpc::{Code, trailers_only},
    guard,
    hops::{HopLayer, Inbound, Outbound},
    keyed::{ByText, Fresh},
};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tonic::body::Body;
use tower::layer::util::Identity;

use crate::caller::AnyBody;

/// An Axum router, over HTTP/1 or HTTP/2.
pub(crate) struct Axum<const TWO: bool>;

/// A Hyper server, over HTTP/1 or HTTP/2.
pub(crate) struct HyperServer<const TWO: bool>;

/// The pooling client of hyper-util.
pub(crate) struct HyperClient;

/// One service of a Tonic server, and calls with one answer or with many.
pub(crate) struct TonicServer<const MANY: bool>;

/// The channel of a Tonic client.
pub(crate) struct TonicClient;

/// What differs between the columns as far as a row is concerned.
pub(crate) trait Column {
    /// The body of the requests.
    type Body;
    type Protocol: Speaking;
    type End: End;
    /// What the service behind is sent by those who may send it again, and how it is made of what they record.
    type Sent;
    fn sent(body: Replay<Self::Body>) -> Self::Sent;
}

impl<const TWO: bool> Column for Axum<TWO> {
    type Body = axum::body::Body;
    type Protocol = Http;
    type End = AtServer;
    type Sent = Replay<axum::body::Body>;

    fn sent(body: Replay<axum::body::Body>) -> Replay<axum::body::Body> {
        body
    }
}

impl<const TWO: bool> Column for HyperServer<TWO> {
    type Body = Incoming;
    type Protocol = Http;
    type End = AtServer;
    type Sent = Replay<Incoming>;

    fn sent(body: Replay<Incoming>) -> Replay<Incoming> {
        body
    }
}

impl Column for HyperClient {
    type Body = AnyBody;
    type Protocol = Http;
    type End = AtClient;
    type Sent = AnyBody;

    fn sent(body: Replay<AnyBody>) -> AnyBody {
        AnyBody::new(body.map_err(io::Error::other))
    }
}

impl<const MANY: bool> Column for TonicServer<MANY> {
    type Body = Body;
    type Protocol = Grpc;
    type End = AtServer;
    type Sent = Body;

    fn sent(body: Replay<Body>) -> Body {
        Body::new(body)
    }
}

impl Column for TonicClient {
    type Body = Body;
    type Protocol = Grpc;
    type End = AtClient;
    type Sent = Body;

    fn sent(body: Replay<Body>) -> Body {
        Body::new(body)
    }
}

/// Finds the path of a request.
type PathOf<B> = fn(&Request<B>) -> &str;

/// What a row asks of the column in which it stands.
pub(crate) trait Stack: Column {
    fn protocol() -> Self::Protocol {
        Self::Protocol::default()
    }

    fn around<P: Policy>(policy: P) -> Guard<P, Self::Protocol> {
        guard(policy).protocol(Self::protocol())
    }

    /// One policy for each path.
    fn by_path<P: Policy + Fresh + Clone>(policy: P) -> Keyed<P, ByText<PathOf<Self::Body>>> {
        let path: PathOf<Self::Body> = |request| request.uri().path();
        Keyed::builder(policy).by_text(path).build().unwrap()
    }

    /// Reads the context of requests from their headers, at a server.
    fn arriving() -> <Self::End as End>::Arriving {
        Self::End::arriving()
    }

    /// Writes it, at a client.
    fn leaving() -> <Self::End as End>::Leaving {
        Self::End::leaving()
    }

    /// The answer of a fallback.
    fn sorry<B: From<Bytes>, E>(_: Failed<Response<B>, E>) -> Result<Response<B>, E> {
        Ok(Self::Protocol::sorry().map(B::from))
    }
}

impl<C: Column> Stack for C {}

/// At which end of the wire the layer stands.
pub(crate) trait End {
    type Arriving;
    type Leaving;
    fn arriving() -> Self::Arriving;
    fn leaving() -> Self::Leaving;
}

pub(crate) struct AtServer;
pub(crate) struct AtClient;

impl End for AtServer {
    type Arriving = HopLayer<Inbound>;
    type Leaving = Identity;

    fn arriving() -> Self::Arriving {
        ContextHeaders::default().inbound(Trust::default())
    }

    fn leaving() -> Identity {
        Identity::new()
    }
}

impl End for AtClient {
    type Arriving = Identity;
    type Leaving = HopLayer<Outbound>;

    fn arriving() -> Identity {
        Identity::new()
    }

    fn leaving() -> Self::Leaving {
        ContextHeaders::default().outbound()
    }
}

/// A protocol, and how it says sorry.
pub(crate) trait Speaking: Default {
    fn sorry() -> Response<Bytes>;
}

impl Speaking for Http {
    fn sorry() -> Response<Bytes> {
        Response::new("sorry".into())
    }
}

impl Speaking for Grpc {
    fn sorry() -> Response<Bytes> {
        trailers_only(Code::NotFound, "sorry", None)
    }
}
