//! A server with so many workers, which may all stop for a while.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use cofferdam::Instant;
use http::Uri;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep,
};

use crate::serving::listen;

/// So few that even a storm needs no more than a thousand files at a time: few systems allow more without being asked.
pub(crate) const WORKERS: usize = 2;
const WORK: Duration = Duration::from_millis(20);

type Job = oneshot::Sender<()>;

pub(crate) struct Server {
    address: SocketAddr,
    stalled: watch::Sender<bool>,
    calls: Arc<Mutex<Vec<Instant>>>,
}

#[derive(Clone)]
struct Desk {
    jobs: mpsc::UnboundedSender<Job>,
    calls: Arc<Mutex<Vec<Instant>>>,
}

impl Server {
    /// Starts one. What comes is queued and done in turn, whether anybody still waits for it or not.
    pub(crate) async fn start() -> io::Result<Self> {
        let (jobs, queue) = mpsc::unbounded_channel::<Job>();
        let (stalled, queue) = (watch::Sender::new(false), Arc::new(tokio::sync::Mutex::new(queue)));
        for _ in 0..WORKERS {
            let (queue, mut stalled) = (Arc::clone(&queue), stalled.subscribe());
            tokio::spawn(async move {
                loop {
                    let Some(job) = queue.lock().await.recv().await else { return };
                    if stalled.wait_for(|stalled| !stalled).await.is_err() {
                        return;
                    }
                    sleep(WORK).await;
                    let _ = job.send(());
                }
            });
        }
        let calls = Arc::default();
        let desk = Desk { jobs, calls: Arc::clone(&calls) };
        let address = listen(Router::new().route("/", get(work)).with_state(desk)).await?;
        Ok(Self { address, stalled, calls })
    }

    pub(crate) fn uri(&self) -> Uri {
        format!("http://{}/", self.address).parse().expect("an address makes a URI")
    }

    pub(crate) fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    /// When calls came.
    pub(crate) fn calls(&self) -> Vec<Instant> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn work(State(desk): State<Desk>) -> StatusCode {
    desk.calls.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    let (job, is_done) = oneshot::channel();
    let taken = desk.jobs.send(job);
    if taken.is_ok() && is_done.await.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
}
