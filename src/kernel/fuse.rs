//! Tuples of policies are policies: one service, one future, one reference count, one clock read at each end.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    Admit, Bell, Ended, Fresh, Immediate, Instant, Kind, Name, Policy, Rejected, Timing,
    waiting::{Place, Turned},
};

/// An admission that is taken back unless it is kept: a later policy rejected the call, or panicked.
struct Undo<'a, P: Policy> {
    policy: &'a P,
    token: Option<P::Token>,
    now: Instant,
}

impl<'a, P: Policy> Undo<'a, P> {
    #[inline]
    fn new(policy: &'a P, token: P::Token, now: Instant) -> Self {
        Self { policy, token: Some(token), now }
    }

    #[inline]
    fn keep(mut self) -> P::Token {
        self.token.take().expect("a token is kept once, and taken nowhere else")
    }

    /// A later policy asks the call to wait.
    fn wait(mut self, place: &mut Place) {
        if let Some(token) = self.token.take() {
            self.policy.wait(token, self.now, place);
        }
    }
}

impl<P: Policy> Drop for Undo<'_, P> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            undo(self.policy, token, self.now);
        }
    }
}

#[cold]
#[inline(never)]
fn undo<P: Policy>(policy: &P, token: P::Token, now: Instant) {
    policy.undo(token, now);
}

/// A settlement that happens on drop if it has not, so that a panic of one policy keeps no other from being told.
struct Settle<'a, P: Policy> {
    policy: &'a P,
    token: Option<P::Token>,
    ended: &'a Ended,
}

impl<P: Policy> Settle<'_, P> {
    #[inline(always)]
    fn now(&mut self) {
        if let Some(token) = self.token.take() {
            self.policy.settle(token, self.ended);
        }
    }
}

impl<P: Policy> Drop for Settle<'_, P> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            settle_after_panic(self.policy, token, self.ended);
        }
    }
}

#[cold]
#[inline(never)]
fn settle_after_panic<P: Policy>(policy: &P, token: P::Token, ended: &Ended) {
    policy.settle(token, ended);
}

/// The time, read when the first policy asks for it and not again.
pub(crate) struct Once<F> {
    read: Option<F>,
    now: Instant,
}

impl<F: FnOnce() -> Instant> Once<F> {
    pub(crate) fn new(read: F) -> Self {
        Self { read: Some(read), now: Instant::ORIGIN }
    }

    pub(crate) fn get(&mut self) -> Instant {
        if let Some(read) = self.read.take() {
            self.now = read();
        }
        self.now
    }
}

// Locals drop in reverse order of declaration: the last policy admitted is the first to be undone. For the same order the
// tokens are named a second time, the other way round: what is settled on drop is a function of its own for the compiler.
// Always inlined, or a nested group costs a tenth more than a flat one.
macro_rules! fuse {
    (@kind $last:ident) => { $last::Kind };
    (@kind $first:ident $($rest:ident)+) => { <$first::Kind as Kind>::And<fuse!(@kind $($rest)+)> };
    ($($policy:ident $token:ident $index:tt),*; $($last:ident)*) => {
        impl<$($policy: Policy),*> Policy for ($($policy,)*) {
            type Kind = fuse!(@kind $($policy)*);
            type Token = ($($policy::Token,)*);

            const TIMING: Timing = Timing::Unused$(.closer($policy::TIMING))*;
            const TIMING_OF_ENDS: Timing = Timing::Unused$(.closer($policy::TIMING_OF_ENDS))*;

            fn name(&self) -> Option<Name> {
                None$(.or_else(|| self.$index.name()))*
            }

            fn bells(&self, visit: &mut dyn FnMut(&Arc<Bell>)) {
                $(self.$index.bells(visit);)*
            }

            #[inline]
            fn head(&self, ($($token,)*): &Self::Token, started: Instant, now: Instant) {
                $(self.$index.head($token, started, now);)*
            }

            fn lasts(&self, ($($token,)*): &mut Self::Token, head: &Ended) {
                $(self.$index.lasts($token, head);)*
            }

            #[inline]
            fn is_departing(&self) -> bool {
                false $(|| self.$index.is_departing())*
            }

            #[inline]
            fn poll_cut(&self, ($($token,)*): &mut Self::Token, cx: &mut Context<'_>) -> Poll<Rejected> {
                $(if let Poll::Ready(rejected) = self.$index.poll_cut($token, cx) {
                    return Poll::Ready(rejected);
                })*
                Poll::Pending
            }

            #[inline(always)]
            fn settle(&self, ($($token,)*): Self::Token, ended: &Ended) {
                $(let mut $token = Settle { policy: &self.$index, token: Some($token), ended };)*
                $($last.now();)*
            }

            #[inline]
            fn undo(&self, ($($token,)*): Self::Token, now: Instant) {
                $(let _undo = Undo { policy: &self.$index, token: Some($token), now };)*
            }

            fn wait(&self, ($($token,)*): Self::Token, now: Instant, place: &mut Place) {
                $(let $token = Undo::new(&self.$index, $token, now);)*
                $($last.wait(place);)*
            }
        }

        impl<$($policy: Fresh),*> Fresh for ($($policy,)*) {
            fn fresh(&self) -> Self {
                ($(self.$index.fresh(),)*)
            }

            fn is_fresh(&self, now: Instant) -> bool {
                true $(&& self.$index.is_fresh(now))*
            }
        }

        impl<Request, $($policy: Admit<Request>),*> Admit<Request> for ($($policy,)*) {
            #[inline(always)]
            fn admit(&self, request: &Request, now: Instant) -> Result<Self::Token, Rejected> {
                $(let $token = Undo::new(&self.$index, self.$index.admit(request, now)?, now);)*
                Ok(($($token.keep(),)*))
            }

            #[inline(always)]
            fn enter(&self, request: &Request, now: Instant, place: &mut Option<Place>) -> Result<Self::Token, Turned> {
                $(let mut $token = None;)*
                let mut turned = 'group: {
                    $(match self.$index.enter(request, now, place) {
                        Ok(token) => $token = Some(Undo::new(&self.$index, token, now)),
                        Err(turned) => break 'group turned,
                    })*
                    return Ok(($($token.map(Undo::keep).expect("all were entered"),)*));
                };
                if let Turned::Wait(place) = &mut turned {
                    $(if let Some(token) = $last.take() {
                        token.wait(place);
                    })*
                }
                Err(turned)
            }

            #[inline]
            fn shut(&self, now: impl FnOnce() -> Instant) -> Option<Rejected> {
                let mut now = Once::new(now);
                $(if let Some(rejected) = self.$index.shut(|| now.get()) {
                    return Some(rejected);
                })*
                None
            }
        }
    };
}

/// The empty group admits everything.
impl Policy for () {
    type Kind = Immediate;
    type Token = ();

    const TIMING: Timing = Timing::Unused;

    #[inline]
    fn settle(&self, (): (), _: &Ended) {}

    #[inline]
    fn undo(&self, (): (), _: Instant) {}
}

impl<Request> Admit<Request> for () {
    #[inline]
    fn admit(&self, _: &Request, _: Instant) -> Result<(), Rejected> {
        Ok(())
    }
}

fuse!(A a 0; a);
fuse!(A a 0, B b 1; b a);
fuse!(A a 0, B b 1, C c 2; c b a);
fuse!(A a 0, B b 1, C c 2, D d 3; d c b a);
fuse!(A a 0, B b 1, C c 2, D d 3, E e 4; e d c b a);
fuse!(A a 0, B b 1, C c 2, D d 3, E e 4, F f 5; f e d c b a);
fuse!(A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6; g f e d c b a);
fuse!(A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7; h g f e d c b a);
