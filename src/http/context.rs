//! The context of an HTTP request is in its extensions.

use http::{Extensions, Request};

use crate::kernel::{
    Attempt, Context, Criticality, Deadline, TaskKey,
    context::{Carried, take_over, with_deadline},
};

/// Whoever a request is made for. It stays with the request, so that what is set afterwards is held to it as well.
#[derive(Clone, Copy)]
struct Caller(Carried);

/// The deadline of the whole answer, of a request whose own is to the head only.
#[derive(Clone, Copy)]
struct Whole(Deadline);

fn own_whole(extensions: &Extensions) -> Option<Deadline> {
    let own: Deadline = extensions.get().copied()?;
    if own.is_to_head() { extensions.get().map(|Whole(whole)| *whole) } else { Some(own) }
}

#[cold]
fn set_to_head(extensions: &mut Extensions, deadline: Deadline) {
    let (earlier, whole) = with_deadline(own_whole(extensions), deadline);
    extensions.insert(earlier);
    if let Some(whole) = whole {
        extensions.insert(Whole(whole));
    }
}

/// Whoever that request is made for, if that was said.
fn caller(extensions: &Extensions) -> Option<&Carried> {
    extensions.get().map(|Caller(caller)| caller)
}

/// Each value under its own type. What a request is made [on behalf of](Context::on_behalf_of) stays with it: whatever is
/// set later, and by whichever layer, it is never read as more.
///
/// Besides requests of `http`, others have extensions too, such as those of Tonic.
///
/// ```
/// use cofferdam::{Context, Criticality};
/// use http::Extensions;
///
/// let (mut incoming, mut outgoing) = (Extensions::new(), Extensions::new());
/// incoming.set_criticality(Criticality::SheddablePlus);
/// outgoing.on_behalf_of(&incoming);
/// outgoing.set_criticality(Criticality::CriticalPlus);
/// assert_eq!(outgoing.criticality(), Some(Criticality::SheddablePlus));
/// ```
impl Context for Extensions {
    fn deadline(&self) -> Option<Deadline> {
        let own = self.get().copied();
        // None is not the earliest.
        own.into_iter().chain(caller(self).and_then(Context::deadline)).min()
    }

    fn set_deadline(&mut self, deadline: Deadline) {
        if deadline.is_to_head() {
            set_to_head(self, deadline);
        } else {
            self.insert(deadline);
        }
    }

    fn whole_deadline(&self) -> Option<Deadline> {
        own_whole(self).into_iter().chain(caller(self).and_then(Context::whole_deadline)).min()
    }

    fn criticality(&self) -> Option<Criticality> {
        let own = self.get().copied();
        match caller(self) {
            Some(caller) => own.map(|own: Criticality| own.min(caller.criticality().unwrap_or_default())),
            None => own,
        }
    }

    fn set_criticality(&mut self, criticality: Criticality) {
        self.insert(criticality);
    }

    fn attempt(&self) -> Attempt {
        self.get().copied().unwrap_or_default()
    }

    fn set_attempt(&mut self, attempt: Attempt) {
        self.insert(attempt);
    }

    fn task(&self) -> Option<TaskKey> {
        caller(self).and_then(Context::task).or_else(|| self.get().copied())
    }

    fn set_task(&mut self, task: TaskKey) {
        self.insert(task);
    }

    fn on_behalf_of<C: Context + ?Sized>(&mut self, caller: &C) {
        let mut bound = Carried::of(caller);
        if let Some(Caller(earlier)) = self.get() {
            bound.on_behalf_of(earlier);
        }
        // Of two callers, the later one's task holds, as for any request.
        if let Some(task) = caller.task() {
            bound.set_task(task);
        }
        take_over(self, caller);
        self.insert(Caller(bound));
    }
}

/// What its extensions say.
impl<B> Context for Request<B> {
    fn is_health_check(&self) -> bool {
        let path = self.uri().path();
        matches!(path, "/health" | "/healthz" | "/livez" | "/readyz" | "/startupz")
            || path.starts_with("/grpc.health.v1.Health/")
    }

    fn deadline(&self) -> Option<Deadline> {
        self.extensions().deadline()
    }

    fn set_deadline(&mut self, deadline: Deadline) {
        self.extensions_mut().set_deadline(deadline);
    }

    fn whole_deadline(&self) -> Option<Deadline> {
        self.extensions().whole_deadline()
    }

    fn criticality(&self) -> Option<Criticality> {
        self.extensions().criticality()
    }

    fn set_criticality(&mut self, criticality: Criticality) {
        self.extensions_mut().set_criticality(criticality);
    }

    fn attempt(&self) -> Attempt {
        self.extensions().attempt()
    }

    fn set_attempt(&mut self, attempt: Attempt) {
        self.extensions_mut().set_attempt(attempt);
    }

    fn task(&self) -> Option<TaskKey> {
        self.extensions().task()
    }

    fn set_task(&mut self, task: TaskKey) {
        self.extensions_mut().set_task(task);
    }

    fn on_behalf_of<C: Context + ?Sized>(&mut self, caller: &C) {
        self.extensions_mut().on_behalf_of(caller);
    }
}
