//! A service whose calls end when the test says so.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use cofferdam::BoxError;
use tokio::sync::{mpsc, oneshot};
use tower::Service;

/// Always ready; hands each call over to the test.
#[derive(Debug)]
pub(crate) struct Controlled<Request, T>(mpsc::UnboundedSender<Call<Request, T>>);

impl<Request, T> Clone for Controlled<Request, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A call in the hands of the test.
#[derive(Debug)]
pub(crate) struct Call<Request, T> {
    pub(crate) request: Request,
    answer: oneshot::Sender<Result<T, BoxError>>,
}

impl<Request, T> Call<Request, T> {
    pub(crate) fn answer(self, answer: Result<T, BoxError>) {
        let _ = self.answer.send(answer);
    }

    /// Whether the future of this call has been dropped.
    pub(crate) fn is_dropped(&self) -> bool {
        self.answer.is_closed()
    }

    /// Waits until the future of this call is dropped.
    pub(crate) async fn dropped(&mut self) {
        self.answer.closed().await;
    }
}

/// The service, and where its calls arrive.
pub(crate) fn controlled<Request, T>() -> (Controlled<Request, T>, mpsc::UnboundedReceiver<Call<Request, T>>) {
    let (sender, calls) = mpsc::unbounded_channel();
    (Controlled(sender), calls)
}

impl<Request, T> Service<Request> for Controlled<Request, T> {
    type Response = T;
    type Error = BoxError;
    type Future = Answered<T>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answered<T> {
        let (answer, answered) = oneshot::channel();
        assert!(self.0.send(Call { request, answer }).is_ok(), "nobody receives the calls");
        Answered(answered)
    }
}

/// Resolves when the test answers.
pub(crate) struct Answered<T>(oneshot::Receiver<Result<T, BoxError>>);

impl<T> Future for Answered<T> {
    type Output = Result<T, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or_else(|_| Err("the test let go of the call".into())))
    }
}
