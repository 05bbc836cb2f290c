//! A server with so many workers, behind load shedding or not.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use cofferdam::BoxError;
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::sleep,
};

use crate::serving::listen;

pub(crate) const WORKERS: usize = 16;

type Jobs = mpsc::UnboundedSender<(u32, oneshot::Sender<()>)>;

/// As most are: what comes is queued, and done in turn, whether anybody still waits for it or not.
pub(crate) async fn unprotected() -> io::Result<SocketAddr> {
    listen(routes()).await
}

/// The same behind the stack for servers, with nothing set: it reads what requests carry, and lets them in by that.
pub(crate) async fn protected() -> Result<SocketAddr, BoxError> {
    Ok(listen(routes().layer(cofferdam::http::server("server").build()?)).await?)
}

fn routes() -> Router {
    let (jobs, queue) = mpsc::unbounded_channel::<(u32, oneshot::Sender<()>)>();
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..WORKERS {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move {
            loop {
                let job = queue.lock().await.recv().await;
                let Some((millis, done)) = job else { return };
                sleep(Duration::from_millis(millis.into())).await;
                // Nobody may wait for it any more, and the work was done all the same.
                let _ = done.send(());
            }
        });
    }
    Router::new().route("/{millis}", get(work)).with_state(jobs)
}

async fn work(State(jobs): State<Jobs>, axum::extract::Path(millis): axum::extract::Path<u32>) -> StatusCode {
    let (done, is_done) = oneshot::channel();
    let sent = jobs.send((millis, done));
    if sent.is_ok() && is_done.await.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
}
