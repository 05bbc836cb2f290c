//! A server with so many workers, behind load shedding or not.

use std::{future::IntoFuture, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::State, http::StatusCode, routing::get, serve::ListenerExt};
use cofferdam::BoxError;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc, oneshot},
    time::sleep,
};

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

async fn listen(app: Router) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|connection| {
        // Where it fails, small answers are somewhat slower.
        let _ = connection.set_nodelay(true);
    });
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}
