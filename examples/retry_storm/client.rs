//! Two clients that send again what failed.

use std::time::Duration;

use bytes::Bytes;
use cofferdam::{Backoff, BoxError, Invalid};
use http::{Request, Uri};
use http_body::Body;
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client as Hyper, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneSyncService};

/// Asks once, and says whether the answer was good.
pub(crate) type Client = BoxCloneSyncService<(), bool, BoxError>;

const ATTEMPT: Duration = Duration::from_secs(1);

fn hyper<B>() -> Hyper<HttpConnector, B>
where
    B: Body<Data: Send> + Send,
{
    Hyper::builder(TokioExecutor::new()).pool_max_idle_per_host(1024).build_http()
}

fn request(uri: &Uri) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri.clone();
    request
}

/// As most are: four attempts of a second, and jitter between them.
pub(crate) fn plain(uri: Uri) -> Client {
    let hyper = hyper();
    BoxCloneSyncService::new(service_fn(move |()| {
        let (hyper, uri) = (hyper.clone(), uri.clone());
        async move {
            let mut waits = Backoff::default().waits().take(3);
            loop {
                let answer = timeout(ATTEMPT, hyper.request(request(&uri))).await;
                if matches!(answer, Ok(Ok(response)) if response.status().is_success()) {
                    return Ok(true);
                }
                let Some(wait) = waits.next() else { return Ok(false) };
                sleep(wait).await;
            }
        }
    }))
}

/// Behind the stack for clients as it is, to which nothing is said.
pub(crate) fn contained(uri: Uri) -> Result<Client, Invalid> {
    let service = cofferdam::http::client("server").build()?.layer(hyper());
    Ok(BoxCloneSyncService::new(
        service
            .map_request(move |()| request(&uri))
            .map_response(|response| response.status().is_success())
            .map_err(BoxError::from),
    ))
}
