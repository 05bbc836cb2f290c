//! One of the two front ends, with services of its own behind it and a client of its own before it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{BoxError, BreakerState, CircuitBreaker, Instant};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client as Hyper, connect::HttpConnector};
use tokio::time::timeout;

use crate::{
    client::{contained, hyper, plain, uri},
    dependency::Dependency,
    front,
    log::{Kind, Log, Sent},
};

/// How long whoever sends a request waits for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What payments may take of the front end's slots: in calm times it needs about two.
const PAYMENTS_SLOTS: usize = 12;

pub(crate) struct Side {
    name: &'static str,
    address: SocketAddr,
    caller: Hyper<HttpConnector, Empty<Bytes>>,
    payments: Arc<Dependency>,
    breaker: Option<CircuitBreaker>,
    sent: Mutex<Vec<Sent>>,
}

impl Side {
    pub(crate) async fn unprotected() -> Result<Self, BoxError> {
        let ((_, catalog), (payments, sick)) = (Dependency::start().await?, Dependency::start().await?);
        let address = front::start(plain(catalog), plain(sick)).await?;
        Ok(Self::new("unprotected", address, payments, None))
    }

    pub(crate) async fn protected() -> Result<Self, BoxError> {
        let ((_, catalog), (payments, sick)) = (Dependency::start().await?, Dependency::start().await?);
        let (catalog, _) = contained("catalog", front::SLOTS, catalog)?;
        let (sick, breaker) = contained("payments", PAYMENTS_SLOTS, sick)?;
        let address = front::start(catalog, sick).await?;
        Ok(Self::new("protected", address, payments, Some(breaker)))
    }

    fn new(
        name: &'static str,
        address: SocketAddr,
        payments: Arc<Dependency>,
        breaker: Option<CircuitBreaker>,
    ) -> Self {
        Self { name, address, caller: hyper(), payments, breaker, sent: Mutex::default() }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn payments(&self) -> &Dependency {
        &self.payments
    }

    pub(crate) fn breaker(&self) -> Option<BreakerState> {
        self.breaker.as_ref().map(CircuitBreaker::state)
    }

    /// Sends a request that was due then, and notes what became of it.
    pub(crate) async fn send(&self, kind: Kind, due: Instant) {
        let late = Instant::now().since(due);
        let served = timeout(PATIENCE.saturating_sub(late), self.fetch(kind)).await.is_ok_and(|served| served);
        let took = Instant::now().since(due);
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(Sent { kind, due, took, late, served });
    }

    /// Whether the front end has answered with what was asked for, to the last byte.
    pub(crate) async fn fetch(&self, kind: Kind) -> bool {
        let path = match kind {
            Kind::Healthy => "/catalog",
            Kind::Sick => "/payments",
        };
        let Ok(response) = self.caller.get(uri(self.address, path)).await else { return false };
        let is_success = response.status().is_success();
        response.into_body().collect().await.is_ok() && is_success
    }

    /// How many healthy requests were answered since then, and how many of them were served.
    pub(crate) fn healthy_since(&self, then: Instant) -> (usize, usize) {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = sent.iter().rev().take_while(|sent| sent.due.after(sent.took) >= then);
        answered
            .filter(|sent| sent.kind == Kind::Healthy)
            .fold((0, 0), |(all, served), sent| (all + 1, served + usize::from(sent.served)))
    }

    /// All that was seen so far.
    pub(crate) fn log(&self) -> Log {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Log { sent, sick_calls: self.payments.calls() }
    }
}
