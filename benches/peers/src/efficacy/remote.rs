//! The laboratory lives in one thread, and most peers ask for services that can go to others: here is one that could.

use std::{fmt, pin::Pin, rc::Rc, task::Poll};

use cofferdam::BoxError;
use send_wrapper::SendWrapper;
use tower::{Service, ServiceExt};

use crate::lab::Call;

/// What went wrong, as an error of the kinds that peers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The server's answer was no good one.
    There,
    /// It took too long.
    Late,
    /// A breaker did not let it through.
    Refused,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::There => "it failed",
            Self::Late => "it took too long",
            Self::Refused => "it was refused",
        })
    }
}

impl std::error::Error for Failed {}

/// A service of the laboratory.
pub struct Remote<R>(SendWrapper<Rc<dyn Fn(R) -> Call>>);

impl<R> Remote<R> {
    pub fn new(call: Rc<dyn Fn(R) -> Call>) -> Self {
        Self(SendWrapper::new(call))
    }
}

impl<R: 'static> Remote<R> {
    pub fn of<S>(service: S) -> Self
    where
        S: Service<R, Response = (), Error = BoxError> + Clone + 'static,
    {
        Self::new(Rc::new(move |request| Box::pin(service.clone().oneshot(request))))
    }
}

impl<R> Clone for Remote<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// What came of a call, in any thread.
pub type Answer = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>>;

impl<R> Service<R> for Remote<R> {
    type Response = ();
    type Error = Failed;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Answer {
        let call = SendWrapper::new((self.0)(request));
        Box::pin(async move { call.await.map_err(|_| Failed::There) })
    }
}

/// Somebody's way to it, for the laboratory. Not all of the peers' errors are errors to tower, so they become text.
pub fn client<R, S>(service: S) -> Rc<dyn Fn(R) -> Call>
where
    R: 'static,
    S: Service<R, Response = (), Error: fmt::Display> + Clone + 'static,
{
    Rc::new(move |request| {
        let service = service.clone().map_err(|error| BoxError::from(error.to_string()));
        Box::pin(service.oneshot(request))
    })
}
