//! How a call is run under a policy of either kind.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    Admit, Call, Classify, Ends, GuardedFuture, Immediate, Kind, Plain, Policy, Protocol, Refused, Ticket, Waiting,
    guard::Guard,
    guarded::Guarded,
    seldom::Seldom,
    shared::Shared,
    ticket::{now_to_admit, now_to_begin, poll_cut, watch},
    waiting::{InLine, Place, Turned},
};

/// Runs calls of a service under a policy of this kind.
///
/// Implemented for [`Immediate`] and, where the service is `Clone`, for [`Waiting`]; there is no reason to implement it.
#[diagnostic::on_unimplemented(
    message = "`{S}` cannot be called under a policy that may ask a call to wait in line",
    label = "the policy of this guard has a line, or may have one",
    note = "a service behind a line must be `Clone`: the instance that was made ready stays where it is while the call waits",
    note = "in code that is generic over policies without a line, say so: `P: Policy<Kind = Immediate>`"
)]
pub trait Run<S: Service<Request>, Request, P: Policy, M: Protocol<S::Response, S::Error>>: Kind {
    /// The future of a guarded service.
    type Future: Future<Output = Result<M::Guarded<P>, S::Error>>;

    /// Calls a service that has been made ready.
    fn run(service: &mut Guarded<S, P, M>, request: Request) -> Self::Future;
}

impl<S, Request, P, M, E> Run<S, Request, P, M> for Immediate<E>
where
    E: Ends,
    S: Service<Request>,
    P: Admit<Request>,
    M: Protocol<S::Response, S::Error>,
{
    type Future = GuardedFuture<S::Future, P, M>;

    #[inline(always)]
    fn run(service: &mut Guarded<S, P, M>, request: Request) -> Self::Future {
        if let Some(rejected) = service.take_shut() {
            return service.reject(rejected);
        }
        let asked = now_to_admit::<P>();
        match service.policy().admit(&request, asked) {
            Ok(token) => service.call_admitted(request, token, now_to_begin::<P>(asked)),
            Err(rejected) => service.reject(rejected),
        }
    }
}

impl<S, Request, P, M, E> Run<S, Request, P, M> for Waiting<E>
where
    E: Ends,
    S: Service<Request> + Clone,
    P: Admit<Request>,
    M: Protocol<S::Response, S::Error>,
{
    type Future = WaitingFuture<S, Request, P, M>;

    #[inline(always)]
    fn run(service: &mut Guarded<S, P, M>, request: Request) -> Self::Future {
        if let Some(rejected) = service.take_shut() {
            return WaitingFuture { state: State::Calling { future: service.reject(rejected) } };
        }
        let asked = now_to_admit::<P>();
        match service.policy().enter(&request, asked, &mut Seldom(None).0) {
            Ok(token) => WaitingFuture {
                state: State::Calling { future: service.call_admitted(request, token, now_to_begin::<P>(asked)) },
            },
            Err(Turned::Away(rejected)) => WaitingFuture { state: State::Calling { future: service.reject(rejected) } },
            Err(Turned::Wait(place)) => {
                let wait = Wait::in_line(place, service.put_off(request));
                WaitingFuture { state: State::Waiting { wait: Seldom(Some(wait)) } }
            }
        }
    }
}

/// All that a call needs when its turn has come.
pub(crate) struct PutOff<S, Request, P, M> {
    pub(crate) service: S,
    pub(crate) request: Request,
    pub(crate) policy: Shared<P>,
    pub(crate) protocol: M,
}

type Called<S, Request, P, M> =
    Result<GuardedFuture<<S as Service<Request>>::Future, P, M>, <S as Service<Request>>::Error>;

pin_project! {
    #[project = WaitStateProjection]
    enum WaitState<S, Request, P: Policy, M> {
        InLine { #[pin] line: InLine, call: Option<PutOff<S, Request, P, M>> },
        Readying { service: S, request: Option<Request>, ticket: Option<Ticket<P>>, protocol: M },
    }
}

pin_project! {
    // A call up to the moment at which its service is called.
    struct Wait<S, Request, P: Policy, M> {
        #[pin]
        state: WaitState<S, Request, P, M>,
    }
}

impl<S, Request, P, M> Wait<S, Request, P, M>
where
    S: Service<Request>,
    P: Admit<Request>,
    M: Protocol<S::Response, S::Error>,
{
    /// Ready with the future of the call; the error is that of a service that never became ready.
    #[inline(never)]
    fn poll_called(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Called<S, Request, P, M>> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                // InLine => Readying
                WaitStateProjection::InLine { line, call } => {
                    let waiting = call.as_ref().expect("it is there for as long as the call waits");
                    let admitted = ready!(line.poll_admitted(&*waiting.policy, &waiting.request, cx));
                    let PutOff { service, request, policy, protocol } = call.take().expect("it was there");
                    match admitted {
                        Ok((token, now)) => {
                            let ticket = Some(Ticket::new(policy.hold(), token, now));
                            WaitState::Readying { service, request: Some(request), ticket, protocol }
                        }
                        Err(rejected) => {
                            let rejected = rejected.departing(policy.is_departing());
                            return Poll::Ready(Ok(GuardedFuture::rejected(rejected, protocol)));
                        }
                    }
                }
                WaitStateProjection::Readying { service, request, ticket, protocol } => {
                    let ready = match watch(ticket, || service.poll_ready(cx)) {
                        Poll::Ready(ready) => ready,
                        Poll::Pending => {
                            let rejected = ready!(poll_cut(ticket, cx));
                            if let Some(ticket) = ticket.take() {
                                ticket.cut(rejected);
                            }
                            return Poll::Ready(Ok(GuardedFuture::cut(rejected, protocol.clone())));
                        }
                    };
                    if let Err(error) = ready {
                        if let Some(ticket) = ticket.take() {
                            ticket.settle(protocol.read(Err(&error)));
                        }
                        return Poll::Ready(Err(error));
                    }
                    let request = request.take().expect("a request is sent once");
                    let future = watch(ticket, || service.call(request));
                    return Poll::Ready(Ok(GuardedFuture::admitted(future, ticket.take(), protocol.clone())));
                }
            };
            state.set(next);
        }
    }
}

pin_project! {
    // What waits is boxed, so that calls that are admitted at once do not carry room for it.
    #[project = StateProjection]
    enum State<S: Service<Request>, Request, P: Policy, M> {
        Waiting { wait: Seldom<Pin<Box<Wait<S, Request, P, M>>>> },
        Calling { #[pin] future: GuardedFuture<S::Future, P, M> },
    }
}

pin_project! {
    /// The future of a service that is guarded by a policy with a line.
    ///
    /// Dropped while it waits, it gives up its place; after that, it settles the call as abandoned.
    #[must_use = "futures do nothing unless polled"]
    pub struct WaitingFuture<S: Service<Request>, Request, P: Policy, M> {
        #[pin]
        state: State<S, Request, P, M>,
    }
}

impl<S, Request, P: Policy, M> Wait<S, Request, P, M> {
    /// It returns no more than the box: what it wrote into would have to be in memory for those too who do not wait.
    #[cold]
    #[inline(never)]
    fn in_line(place: Place, call: PutOff<S, Request, P, M>) -> Pin<Box<Self>> {
        Box::pin(Wait { state: WaitState::InLine { line: InLine::new(place), call: Some(call) } })
    }
}

impl<S, Request, P, M> Future for WaitingFuture<S, Request, P, M>
where
    S: Service<Request>,
    P: Admit<Request>,
    M: Protocol<S::Response, S::Error>,
{
    type Output = Result<M::Guarded<P>, S::Error>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                StateProjection::Calling { future } => return future.poll(cx),
                // Waiting => Calling
                StateProjection::Waiting { wait } => {
                    let wait = wait.0.as_mut().expect("it is there until it is dropped");
                    ready!(wait.as_mut().poll_called(cx))?
                }
            };
            state.set(State::Calling { future });
        }
    }
}

/// Runs any future under a policy of this kind.
///
/// Implemented for [`Immediate`] and for [`Waiting`]; there is no reason to implement it.
pub trait RunFuture<'r, Request, Make, F, P: Policy, C>: Kind {
    /// The future of [`Guard::call`].
    type Future;

    /// Admits the call, and makes the future then or when its turn has come.
    fn run(guard: &Guard<P, Plain<C>>, request: &'r Request, make: Make) -> Self::Future;
}

impl<Request, Make, F, P, C, E> RunFuture<'_, Request, Make, F, P, C> for Immediate<E>
where
    E: Ends,
    Make: FnOnce() -> F,
    P: Admit<Request>,
    C: Clone,
{
    type Future = Call<F, P, C>;

    fn run(guard: &Guard<P, Plain<C>>, request: &Request, make: Make) -> Call<F, P, C> {
        let asked = now_to_admit::<P>();
        match guard.policy().admit(request, asked) {
            Ok(token) => guard.call_admitted(make, token, now_to_begin::<P>(asked)),
            Err(rejected) => Call::rejected(rejected),
        }
    }
}

impl<'r, Request: 'r, Make, F, P, C, E> RunFuture<'r, Request, Make, F, P, C> for Waiting<E>
where
    E: Ends,
    Make: FnOnce() -> F,
    P: Admit<Request>,
    C: Clone,
{
    type Future = WaitingCall<'r, Request, Make, F, P, C>;

    fn run(guard: &Guard<P, Plain<C>>, request: &'r Request, make: Make) -> Self::Future {
        let asked = now_to_admit::<P>();
        let state = match guard.policy().enter(request, asked, &mut Seldom(None).0) {
            Ok(token) => CallState::Calling { call: guard.call_admitted(make, token, now_to_begin::<P>(asked)) },
            Err(Turned::Away(rejected)) => CallState::Calling { call: Call::rejected(rejected) },
            Err(Turned::Wait(place)) => {
                CallState::Waiting { line: InLine::new(place), guard: guard.clone(), request, make: Some(make) }
            }
        };
        WaitingCall { state }
    }
}

pin_project! {
    #[project = CallStateProjection]
    enum CallState<'r, Request, Make, F, P: Policy, C> {
        Waiting { #[pin] line: InLine, guard: Guard<P, Plain<C>>, request: &'r Request, make: Option<Make> },
        Calling { #[pin] call: Call<F, P, C> },
    }
}

pin_project! {
    /// The future of [`Guard::call`] under a policy with a line.
    ///
    /// Dropped while it waits, it gives up its place; after that, it settles the call as abandoned.
    #[must_use = "futures do nothing unless polled"]
    pub struct WaitingCall<'r, Request, Make, F, P: Policy, C> {
        #[pin]
        state: CallState<'r, Request, Make, F, P, C>,
    }
}

impl<Request, Make, F, P, C, T, E> Future for WaitingCall<'_, Request, Make, F, P, C>
where
    Make: FnOnce() -> F,
    F: Future<Output = Result<T, E>>,
    P: Admit<Request>,
    C: Classify<T, E> + Clone,
{
    type Output = Result<T, Refused<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let call = match state.as_mut().project() {
                // Waiting => Calling
                CallStateProjection::Waiting { line, guard, request, make } => {
                    match ready!(line.poll_admitted(guard.policy(), *request, cx)) {
                        Ok((token, now)) => {
                            let make = make.take().expect("a future is made once");
                            guard.call_admitted(make, token, now)
                        }
                        Err(rejected) => Call::rejected(rejected),
                    }
                }
                CallStateProjection::Calling { call } => return call.poll(cx),
            };
            state.set(CallState::Calling { call });
        }
    }
}
