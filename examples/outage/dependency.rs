//! A service that the front ends depend on, and that can fall ill.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use cofferdam::Instant;
use tokio::{sync::watch, time::sleep};

use crate::{scenario::Fault, serving::listen};

/// How long it works on an answer when it is well, and when it is slow.
const WELL: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_secs(3);

pub(crate) struct Dependency {
    fault: watch::Sender<Fault>,
    /// When each call arrived: what a sick service has to bear is counted here, not where it is called from.
    calls: Mutex<Vec<Instant>>,
}

impl Dependency {
    /// Starts a healthy one.
    pub(crate) async fn start() -> io::Result<(Arc<Self>, SocketAddr)> {
        let this = Arc::new(Self { fault: watch::Sender::new(Fault::Healthy), calls: Mutex::default() });
        let app = Router::new().route("/", get(answer)).with_state(Arc::clone(&this));
        Ok((this, listen(app).await?))
    }

    pub(crate) fn suffer(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    pub(crate) fn calls(&self) -> Vec<Instant> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many calls have arrived since then.
    pub(crate) fn calls_since(&self, then: Instant) -> usize {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().rev().take_while(|call| **call >= then).count()
    }
}

async fn answer(State(dependency): State<Arc<Dependency>>) -> (StatusCode, &'static str) {
    dependency.calls.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    let mut fault = dependency.fault.subscribe();
    // What hung goes on as the next fault has it, as if a lock had been freed. The sender lives as long as the service.
    let fault = fault.wait_for(|fault| *fault != Fault::Hang).await.map_or(Fault::Errs, |fault| *fault);
    match fault {
        Fault::Errs | Fault::Hang => return (StatusCode::INTERNAL_SERVER_ERROR, "sorry"),
        Fault::Slow => sleep(SLOW).await,
        Fault::Healthy => sleep(WELL).await,
    }
    (StatusCode::OK, "here you are")
}
