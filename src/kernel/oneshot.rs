//! An attempt of our own: it makes its own service ready and takes nobody else's readiness.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

pin_project! {
    #[project = StateProjection]
    enum State<S, Request, F> {
        Readying { service: S, request: Option<Request> },
        Calling { #[pin] future: F },
    }
}

pin_project! {
    /// Makes a service ready, and calls it.
    #[must_use = "futures do nothing unless polled"]
    pub struct Oneshot<S: Service<Request>, Request> {
        #[pin]
        state: State<S, Request, S::Future>,
    }
}

impl<S: Service<Request>, Request> Oneshot<S, Request> {
    pub(crate) fn new(service: S, request: Request) -> Self {
        Self { state: State::Readying { service, request: Some(request) } }
    }
}

impl<S: Service<Request>, Request> Future for Oneshot<S, Request> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                // Readying => (Readying | Calling)
                StateProjection::Readying { service, request } => {
                    ready!(service.poll_ready(cx))?;
                    service.call(request.take().expect("a request is sent once"))
                }
                StateProjection::Calling { future } => return future.poll(cx),
            };
            state.set(State::Calling { future });
        }
    }
}
