use std::task::Waker;

use slab::Slab;

use crate::kernel::sync::{Arc, Mutex, lock};

/// Wakes tasks that wait for something else, because there is something that they should look at first.
///
/// A task that waits for a service to become ready listens to the bells of the policy in front of it: when the policy shuts,
/// it has an answer, and need not wait for a service that may never become ready. See
/// [`Policy::bells`](crate::Policy::bells).
///
/// ```
/// use std::{sync::Arc, task::Waker};
/// use cofferdam::Bell;
///
/// let bell = Arc::new(Bell::default());
/// let listening = bell.listen(Waker::noop());
/// bell.ring(); // Wakes the task.
/// drop(listening);
/// ```
#[derive(Debug, Default)]
pub struct Bell {
    listeners: Mutex<Slab<Option<Waker>>>,
}

impl Bell {
    /// Wakes this task when the bell rings next, unless the handle is dropped before.
    ///
    /// Whoever listens looks again after that, at whatever it is that the bell rings for: it may have rung before.
    pub fn listen(self: &Arc<Self>, waker: &Waker) -> Listening {
        Listening { bell: Arc::clone(self), index: self.add(waker) }
    }

    /// The same, for those who keep the place themselves, and [leave](Self::leave) it.
    pub(crate) fn add(&self, waker: &Waker) -> usize {
        let waker = waker.clone();
        lock(&self.listeners).insert(Some(waker))
    }

    /// Whoever has that place is woken in this way from now on.
    pub(crate) fn keep(&self, index: usize, waker: &Waker) {
        let is_kept = |kept: &Option<Waker>| kept.as_ref().is_some_and(|kept| kept.will_wake(waker));
        if lock(&self.listeners).get(index).is_some_and(is_kept) {
            return;
        }
        // What is cloned and dropped with a waker is not ours: not under the lock.
        let mut waker = Some(waker.clone());
        if let Some(kept) = lock(&self.listeners).get_mut(index) {
            std::mem::swap(kept, &mut waker);
        }
    }

    /// Whoever had that place does not listen any more.
    pub(crate) fn leave(&self, index: usize) {
        // What is dropped with a waker is not ours: not under the lock.
        let _waker = lock(&self.listeners).try_remove(index);
    }

    /// Wakes everybody who listens, each once.
    pub fn ring(&self) {
        let woken: Vec<Waker> = lock(&self.listeners).iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        woken.into_iter().for_each(Waker::wake);
    }
}

/// A task that listens to a [`Bell`].
#[derive(Debug)]
#[must_use = "whoever drops it does not listen any more"]
pub struct Listening {
    bell: Arc<Bell>,
    index: usize,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.bell.leave(self.index);
    }
}
