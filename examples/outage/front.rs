//! The front end: a bounded number of slots, and two routes that call a service each.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{sync::Semaphore, time::timeout};
use tower::ServiceExt;

use crate::{client::Client, serving::listen};

/// So many requests are worked on at a time, and one more waits this long for its turn.
pub(crate) const SLOTS: usize = 32;
const QUEUE: Duration = Duration::from_millis(250);

/// What most clients are given: enough for anything that could still be of use, and by far too much.
const GENEROUS: Duration = Duration::from_secs(30);

/// Starts a front end over these two clients.
pub(crate) async fn start(catalog: Client, payments: Client) -> io::Result<SocketAddr> {
    let slots = Arc::new(Semaphore::new(SLOTS));
    let app = Router::new()
        .route("/catalog", get(ask).with_state(catalog))
        .route("/payments", get(ask).with_state(payments))
        .layer(from_fn_with_state(slots, in_a_slot));
    listen(app).await
}

/// A slot is given back with the answer, and also when the caller goes away, as Hyper then drops this future. That is
/// kind to the unprotected side: a server that works on for nobody would lose its slots for all of [`GENEROUS`].
async fn in_a_slot(State(slots): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match timeout(QUEUE, slots.acquire()).await {
        Ok(Ok(_slot)) => next.run(request).await,
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn ask(State(client): State<Client>) -> Response {
    match timeout(GENEROUS, client.oneshot(())).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => StatusCode::BAD_GATEWAY.into_response(),
        Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}
