//! A dependency over HTTP, which takes some 40 ms for an answer, and may hang or become slow.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use cofferdam::Instant;
use http::Uri;
use tokio::{sync::watch, time::sleep};

use crate::serving::listen;

pub(crate) const WORK: Duration = Duration::from_millis(40);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Well,
    /// It takes so many times as long.
    Slow(u32),
    /// What comes in this time is never answered.
    Hangs,
}

pub(crate) struct Dependency {
    address: SocketAddr,
    desk: Desk,
}

#[derive(Clone)]
struct Desk {
    health: watch::Sender<Health>,
    calls: Arc<Mutex<Vec<Instant>>>,
}

impl Dependency {
    pub(crate) async fn start() -> io::Result<Self> {
        let desk = Desk { health: watch::Sender::new(Health::Well), calls: Arc::default() };
        let address = listen(Router::new().route("/", get(work)).with_state(desk.clone())).await?;
        Ok(Self { address, desk })
    }

    pub(crate) fn uri(&self) -> Uri {
        uri(self.address, "")
    }

    pub(crate) fn set(&self, health: Health) {
        self.desk.health.send_replace(health);
    }

    /// When calls came.
    pub(crate) fn calls(&self) -> Vec<Instant> {
        self.desk.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn work(State(desk): State<Desk>) -> StatusCode {
    let number = {
        let mut calls = desk.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(Instant::now());
        calls.len() as u32
    };
    // From half as long to half as long again.
    let usual = WORK * (5 + number * 7 % 11) / 10;
    let health = *desk.health.borrow();
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
