//! A layer, and the story that is told of it at every stack.

use cofferdam::{Outcome, Why};
use futures_util::future::{Either, select};

use crate::{
    caller::{Ask, Caller, Held, Seen},
    support::within,
    world::World,
};

/// What makes the layer reject.
enum Cause {
    /// Nothing does.
    None,
    /// An operator, who takes it back afterwards.
    Order(Box<dyn Fn()>, Box<dyn Fn()>),
    /// Another call that is in the middle of its body.
    Full,
    /// That, and another that waits.
    Line(Box<dyn Fn() -> usize>),
    /// Some calls like that one. What was rejected is let in again in time.
    After(&'static str),
    /// That very call.
    Asked(&'static str),
    /// That there is no time left for it.
    Expired,
}

/// A row of the matrix. `L` is its layer, until that is taken out.
pub(crate) struct Row<L = ()> {
    layer: L,
    cause: Cause,
    /// The reasons of a rejection: none if nothing is rejected, and some where chance decides.
    why: Vec<Why>,
    sorry: bool,
    free_elsewhere: bool,
    told: bool,
    at_rest: Box<dyn Fn() -> bool>,
    finally: Box<dyn Fn()>,
}

impl<L> Row<L> {
    pub(crate) fn of(layer: L) -> Self {
        Self {
            layer,
            cause: Cause::None,
            why: Vec::new(),
            sorry: false,
            free_elsewhere: false,
            told: false,
            at_rest: Box::new(|| true),
            finally: Box::new(|| ()),
        }
    }

    fn rejects(self, cause: Cause, why: impl IntoIterator<Item = Why>) -> Self {
        Self { cause, why: why.into_iter().collect(), ..self }
    }

    /// Rejects once that was ordered, and until the other.
    pub(crate) fn ordered(self, order: impl Fn() + 'static, undo: impl Fn() + 'static, why: Why) -> Self {
        self.rejects(Cause::Order(Box::new(order), Box::new(undo)), [why])
    }

    /// Rejects while another call is in the middle of its body, if it rejects at all.
    pub(crate) fn full(self, why: impl Into<Option<Why>>) -> Self {
        self.rejects(Cause::Full, why.into())
    }

    /// Lets one call wait while another is in the middle of its body, and rejects one of two.
    pub(crate) fn line(self, waiting: impl Fn() -> usize + 'static, why: &[Why]) -> Self {
        self.rejects(Cause::Line(Box::new(waiting)), why.iter().copied())
    }

    /// Rejects after some calls like that, for a while.
    pub(crate) fn after(self, what: &'static str, why: Why) -> Self {
        self.rejects(Cause::After(what), [why])
    }

    /// Rejects that call.
    pub(crate) fn asked(self, what: &'static str, why: Why) -> Self {
        self.rejects(Cause::Asked(what), [why])
    }

    /// Rejects what has no time left.
    pub(crate) fn expired(self) -> Self {
        self.rejects(Cause::Expired, [Why::Expired])
    }

    /// Answers in place of a failure, and of a rejection.
    pub(crate) fn sorry(self) -> Self {
        Self { sorry: true, ..self }
    }

    /// What is full on one path is free on another.
    pub(crate) fn free_elsewhere(self) -> Self {
        Self { free_elsewhere: true, ..self }
    }

    /// What a request is worth reaches the server.
    pub(crate) fn told(self) -> Self {
        Self { told: true, ..self }
    }

    /// Whether everything that was held is given back.
    pub(crate) fn at_rest(self, at_rest: impl Fn() -> bool + 'static) -> Self {
        Self { at_rest: Box::new(at_rest), ..self }
    }

    /// What else holds after the whole story.
    pub(crate) fn finally(self, finally: impl Fn() + 'static) -> Self {
        Self { finally: Box::new(finally), ..self }
    }

    pub(crate) fn split(self) -> (Row, L) {
        let Self { layer, cause, why, sorry, free_elsewhere, told, at_rest, finally } = self;
        (Row { layer: (), cause, why, sorry, free_elsewhere, told, at_rest, finally }, layer)
    }
}

impl Row {
    /// The whole story.
    pub(crate) async fn check(self, mut world: World) {
        let caller = world.caller.clone();
        let served = caller.answer("hello");

        // A call that succeeds
        assert_eq!(caller.ask("hello").await, served);
        assert_eq!(world.ended().await, Outcome::Success);

        // One that fails, which a fallback hides from its caller and from nobody else
        let hidden = self.sorry && !caller.fails_late();
        assert_eq!(caller.ask("fails").await, if hidden { caller.sorry() } else { caller.failure() });
        assert_eq!(world.ended().await, Outcome::Failure);

        // One whose caller leaves in the middle of the body
        let (held, feed) = world.hold().await;
        assert_eq!(world.calls_ended(), 0, "it goes on");
        drop(held);
        within("the server to hear of it", feed.closed()).await;
        assert_eq!(world.ended().await, Outcome::Abandoned);
        assert!((self.at_rest)(), "what a caller held who left was not given back");

        // One that is rejected
        self.reject(&mut world).await;

        // And nothing is left of all that
        if self.told {
            assert_eq!(caller.ask("class").await, caller.answer("SHEDDABLE"));
        }
        match self.cause {
            Cause::After(_) => within("to be let in again", served_again(&caller, &served)).await,
            _ => assert_eq!(caller.ask("hello").await, served),
        }
        world.all_ended().await;
        assert!((self.at_rest)(), "something is held, and nobody calls");
        (self.finally)();
    }

    fn assert_rejected(&self, caller: &Caller, seen: &Seen) {
        let mut expected: Vec<_> = self.why.iter().map(|why| caller.rejection(*why)).collect();
        if self.sorry {
            expected = vec![caller.sorry()];
        } else if expected.is_empty() {
            expected = vec![caller.answer("hello")];
        }
        assert!(expected.contains(seen), "{seen:?} is none of {expected:?}");
    }

    async fn reject(&self, world: &mut World) {
        let caller = world.caller.clone();
        let hello = Ask::new("hello");
        match &self.cause {
            Cause::None => panic!("a row needs something that makes it reject"),
            Cause::Order(order, undo) => {
                order();
                self.assert_rejected(&caller, &caller.ask("hello").await);
                assert_eq!(world.ended().await, Outcome::Ignored);
                undo();
            }
            Cause::Full => {
                let (held, feed) = world.hold().await;
                self.assert_rejected(&caller, &caller.ask("hello").await);
                let rejected = if self.why.is_empty() { Outcome::Success } else { Outcome::Ignored };
                assert_eq!(world.ended().await, rejected);
                if self.free_elsewhere {
                    assert_eq!(caller.send(hello.elsewhere()).await, caller.answer("hello"));
                    assert_eq!(world.ended().await, Outcome::Success);
                }
                release(world, held, feed).await;
            }
            Cause::Line(waiting) => self.overfill(world, waiting).await,
            Cause::After(what) => {
                let rejected = caller.rejection(self.why[0]);
                let some = async { while caller.ask(what).await != rejected {} };
                within("a rejection", some).await;
            }
            Cause::Asked(what) => {
                self.assert_rejected(&caller, &caller.ask(what).await);
                assert_eq!(world.ended().await, Outcome::Failure, "a hang is the service's failure");
            }
            Cause::Expired => {
                self.assert_rejected(&caller, &caller.send(hello.expired()).await);
                assert_eq!(world.ended().await, Outcome::Ignored);
            }
        }
    }

    /// Of two more calls than there are slots, one is rejected and the other is served when there is one.
    async fn overfill(&self, world: &mut World, waiting: &dyn Fn() -> usize) {
        let (held, feed) = world.hold().await;
        let [first, second] = [world.caller.clone(), world.caller.clone()];
        let first = tokio::spawn(async move { first.ask("hello").await });
        let in_line = async {
            while waiting() == 0 {
                tokio::task::yield_now().await;
            }
        };
        within("a line", in_line).await;
        let second = tokio::spawn(async move { second.ask("hello").await });
        let (rejected, other) = match within("a rejection", select(first, second)).await {
            Either::Left((rejected, other)) | Either::Right((rejected, other)) => (rejected.unwrap(), other),
        };
        self.assert_rejected(&world.caller, &rejected);
        assert_eq!(world.ended().await, Outcome::Ignored);
        release(world, held, feed).await;
        assert_eq!(other.await.unwrap(), world.caller.answer("hello"));
        assert_eq!(world.ended().await, Outcome::Success);
    }
}

async fn release(world: &mut World, held: Held, feed: crate::app::Feed) {
    drop(feed);
    held.finish().await;
    assert_eq!(world.ended().await, Outcome::Success);
}

async fn served_again(caller: &Caller, served: &Seen) {
    while caller.ask("hello").await != *served {}
}
