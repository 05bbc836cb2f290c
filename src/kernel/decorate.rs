//! A policy that may be absent, and one that is shared.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    Admit, Bell, Ended, Instant, Name, Policy, Rejected, Timing,
    waiting::{Place, Turned},
};

/// `None` admits everything.
impl<P: Policy> Policy for Option<P> {
    type Kind = P::Kind;
    type Token = Option<P::Token>;

    const TIMING: Timing = P::TIMING;
    const TIMING_OF_ENDS: Timing = P::TIMING_OF_ENDS;

    fn name(&self) -> Option<Name> {
        self.as_ref()?.name()
    }

    fn bells(&self, visit: &mut dyn FnMut(&Arc<Bell>)) {
        if let Some(policy) = self {
            policy.bells(visit);
        }
    }

    #[inline]
    fn head(&self, token: &Self::Token, started: Instant, now: Instant) {
        if let (Some(policy), Some(token)) = (self, token) {
            policy.head(token, started, now);
        }
    }

    fn lasts(&self, token: &mut Self::Token, head: &Ended) {
        if let (Some(policy), Some(token)) = (self, token) {
            policy.lasts(token, head);
        }
    }

    #[inline]
    fn is_departing(&self) -> bool {
        self.as_ref().is_some_and(P::is_departing)
    }

    #[inline]
    fn poll_cut(&self, token: &mut Self::Token, cx: &mut Context<'_>) -> Poll<Rejected> {
        match (self, token) {
            (Some(policy), Some(token)) => policy.poll_cut(token, cx),
            _ => Poll::Pending,
        }
    }

    #[inline]
    fn settle(&self, token: Self::Token, ended: &Ended) {
        if let (Some(policy), Some(token)) = (self, token) {
            policy.settle(token, ended);
        }
    }

    #[inline]
    fn undo(&self, token: Self::Token, now: Instant) {
        if let (Some(policy), Some(token)) = (self, token) {
            policy.undo(token, now);
        }
    }

    fn wait(&self, token: Self::Token, now: Instant, place: &mut Place) {
        if let (Some(policy), Some(token)) = (self, token) {
            policy.wait(token, now, place);
        }
    }
}

impl<Request, P: Admit<Request>> Admit<Request> for Option<P> {
    #[inline]
    fn admit(&self, request: &Request, now: Instant) -> Result<Self::Token, Rejected> {
        self.as_ref().map(|policy| policy.admit(request, now)).transpose()
    }

    #[inline]
    fn enter(&self, request: &Request, now: Instant, place: &mut Option<Place>) -> Result<Self::Token, Turned> {
        self.as_ref().map(|policy| policy.enter(request, now, place)).transpose()
    }

    #[inline]
    fn shut(&self, now: impl FnOnce() -> Instant) -> Option<Rejected> {
        self.as_ref()?.shut(now)
    }
}

impl<P: Policy> Policy for Arc<P> {
    type Kind = P::Kind;
    type Token = P::Token;

    const TIMING: Timing = P::TIMING;
    const TIMING_OF_ENDS: Timing = P::TIMING_OF_ENDS;

    fn name(&self) -> Option<Name> {
        P::name(self)
    }

    fn bells(&self, visit: &mut dyn FnMut(&Arc<Bell>)) {
        P::bells(self, visit);
    }

    #[inline]
    fn head(&self, token: &Self::Token, started: Instant, now: Instant) {
        P::head(self, token, started, now);
    }

    fn lasts(&self, token: &mut Self::Token, head: &Ended) {
        P::lasts(self, token, head);
    }

    #[inline]
    fn is_departing(&self) -> bool {
        P::is_departing(self)
    }

    #[inline]
    fn poll_cut(&self, token: &mut Self::Token, cx: &mut Context<'_>) -> Poll<Rejected> {
        P::poll_cut(self, token, cx)
    }

    #[inline]
    fn settle(&self, token: Self::Token, ended: &Ended) {
        P::settle(self, token, ended);
    }

    #[inline]
    fn undo(&self, token: Self::Token, now: Instant) {
        P::undo(self, token, now);
    }

    fn wait(&self, token: Self::Token, now: Instant, place: &mut Place) {
        P::wait(self, token, now, place);
    }
}

impl<Request, P: Admit<Request>> Admit<Request> for Arc<P> {
    #[inline]
    fn admit(&self, request: &Request, now: Instant) -> Result<Self::Token, Rejected> {
        P::admit(self, request, now)
    }

    #[inline]
    fn enter(&self, request: &Request, now: Instant, place: &mut Option<Place>) -> Result<P::Token, Turned> {
        P::enter(self, request, now, place)
    }

    #[inline]
    fn shut(&self, now: impl FnOnce() -> Instant) -> Option<Rejected> {
        P::shut(self, now)
    }
}
