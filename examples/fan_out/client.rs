//! Two clients that ask a leaf.

use bytes::Bytes;
use cofferdam::{BoxError, Hedge, Invalid};
use http::{Request, Uri};
use http_body::Body;
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client as Hyper, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Layer, ServiceExt, util::BoxCloneSyncService};

/// Asks the leaf of that number, and says whether the answer was good.
pub(crate) type Client = BoxCloneSyncService<usize, bool, BoxError>;

fn hyper<B>() -> Hyper<HttpConnector, B>
where
    B: Body<Data: Send> + Send,
{
    Hyper::builder(TokioExecutor::new()).build_http()
}

fn request(uri: &Uri) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri.clone();
    request
}

pub(crate) fn plain(uris: Vec<Uri>) -> Client {
    let service = hyper().map_request(move |leaf: usize| request(&uris[leaf]));
    BoxCloneSyncService::new(service.map_response(|response| response.status().is_success()).map_err(BoxError::from))
}

/// The same with a hedge, to which nothing is said.
pub(crate) fn hedged(uris: Vec<Uri>) -> Result<Client, Invalid> {
    let service = Hedge::builder("leaves").http().build()?.layer(hyper());
    let service = service.map_request(move |leaf: usize| request(&uris[leaf]));
    Ok(BoxCloneSyncService::new(
        service.map_response(|response| response.status().is_success()).map_err(BoxError::from),
    ))
}
