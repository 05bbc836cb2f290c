//! A dependency over HTTP, which takes some 40 ms for an answer, and may hang or become slow.

use std::{
    future::IntoFuture,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get, serve::ListenerExt};
use cofferdam::Instant;
use http::Uri;
use tokio::{net::TcpListener, sync::watch, time::sleep};

pub(crate) const WORK: Duration = Duration::from_millis(40);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Well,
    /// It takes so many times as long.
    Slow(u32),
    /// What comes in this time is never answered.
    Hangs,
}

#[derive(Clone)]
pub(crate) struct Dependency {
    address: SocketAddr,
    health: watch::Sender<Health>,
    calls: Arc<Mutex<Vec<Instant>>>,
}

impl Dependency {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let started =
            Self { address: listener.local_addr()?, health: watch::Sender::new(Health::Well), calls: Arc::default() };
        let app = Router::new().route("/", get(work)).with_state(started.clone());
        tokio::spawn(axum::serve(without_delay(listener), app).into_future());
        Ok(started)
    }

    pub(crate) fn uri(&self) -> Uri {
        uri(self.address, "")
    }

    pub(crate) fn set(&self, health: Health) {
        self.health.send_replace(health);
    }

    /// When calls came.
    pub(crate) fn calls(&self) -> Vec<Instant> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn work(State(dependency): State<Dependency>) -> StatusCode {
    let number = {
        let mut calls = dependency.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(Instant::now());
        calls.len() as u32
    };
    // From half as long to half as long again.
    let usual = WORK * (5 + number * 7 % 11) / 10;
    let health = *dependency.health.borrow();
    match health {
        Health::Well => sleep(usual).await,
        Health::Slow(times) => sleep(usual * times).await,
        Health::Hangs => std::future::pending().await,
    }
    StatusCode::OK
}

pub(crate) fn uri(address: SocketAddr, path: &str) -> Uri {
    format!("http://{address}/{path}").parse().expect("an address makes a URI")
}

pub(crate) fn without_delay(listener: TcpListener) -> impl axum::serve::Listener<Addr = SocketAddr> {
    listener.tap_io(|connection| {
        // Where it fails, small answers are somewhat slower.
        let _ = connection.set_nodelay(true);
    })
}
