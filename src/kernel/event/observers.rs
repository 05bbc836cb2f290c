use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, LazyLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use super::{Event, What};

/// Hears of events.
///
/// It is called on the thread that made the event happen, under no lock, so it may use any policy, the one that it hears of
/// included; what it does with one makes events of its own, which are told eight deep and no deeper. It should be quick: a
/// call waits for it. If it panics, nobody is harmed: the panic is counted in [`observer_panics`], and the other observers
/// are told.
pub trait Observer: Send + Sync + 'static {
    /// Something has happened.
    fn observe(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Observer for F {
    fn observe(&self, event: &Event) {
        self(event);
    }
}

/// How many observers there are: all that is looked at while there are none.
static HOW_MANY: AtomicUsize = AtomicUsize::new(0);
static PANICS: AtomicU64 = AtomicU64::new(0);
static OBSERVERS: LazyLock<RwLock<Arc<[Arc<Entry>]>>> = LazyLock::new(|| RwLock::new(Arc::new([])));

struct Entry {
    observer: Box<dyn Observer>,
    active: AtomicBool,
    /// Deliveries in progress, on all threads.
    running: AtomicUsize,
}

thread_local! {
    /// How many observers this thread is telling something at this moment, one from within the other.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// An observer that makes a call whenever it hears of one is not told of the calls that it makes beyond that.
const DEEPEST: usize = 8;

pub(super) fn depth() -> usize {
    DEPTH.get()
}

/// Tells something as if from within so many observers, if there are not more.
pub(super) fn at_depth(depth: usize, tell: impl FnOnce()) {
    struct Back(usize);

    impl Drop for Back {
        fn drop(&mut self) {
            DEPTH.set(self.0);
        }
    }

    let _back = Back(DEPTH.replace(self::depth().max(depth)));
    tell();
}

/// Tells this observer of every event in the process, until the subscription is dropped.
///
/// See [`Event`] for an example.
#[must_use = "an observer hears nothing any more when its subscription is dropped"]
pub fn observe(observer: impl Observer) -> Subscription {
    let entry =
        Arc::new(Entry { observer: Box::new(observer), active: AtomicBool::new(true), running: AtomicUsize::new(0) });
    change(|all| all.push(Arc::clone(&entry)));
    Subscription { entry }
}

/// How often an observer has panicked since the process began.
#[must_use]
pub fn observer_panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// An observer, for as long as it is to hear.
///
/// When the drop has returned, it hears nothing any more: what other threads are telling it at that moment is waited for, so
/// hold no lock meanwhile that the observer takes. It may be dropped by an observer, which waits for nobody.
///
/// ```
/// use cofferdam::{Event, observe};
///
/// let subscription = observe(|event: &Event| println!("{event:?}"));
/// subscription.forever();
/// ```
#[must_use = "an observer hears nothing any more when its subscription is dropped"]
pub struct Subscription {
    entry: Arc<Entry>,
}

impl Subscription {
    /// The observer hears everything until the process ends.
    pub fn forever(self) {
        std::mem::forget(self);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.entry.active.store(false, Ordering::SeqCst);
        change(|all| all.retain(|entry| !Arc::ptr_eq(entry, &self.entry)));
        // An observer waits for nobody: two that drop each other's subscriptions would wait for ever.
        while depth() == 0 && self.entry.running.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

fn change(change: impl FnOnce(&mut Vec<Arc<Entry>>)) {
    let old = {
        let mut all = OBSERVERS.write().unwrap_or_else(PoisonError::into_inner);
        let mut new = all.to_vec();
        change(&mut new);
        HOW_MANY.store(new.len(), Ordering::SeqCst);
        std::mem::replace(&mut *all, new.into())
    };
    // What is dropped may be an observer, and that is not ours.
    drop(old);
}

/// Whether anybody listens.
#[inline]
pub(super) fn anybody() -> bool {
    HOW_MANY.load(Ordering::Relaxed) != 0
}

pub(super) fn dispatch(event: &Event) {
    if depth() >= DEEPEST {
        return;
    }
    let all = Arc::clone(&OBSERVERS.read().unwrap_or_else(PoisonError::into_inner));
    // Empty most of the time, and then it costs nothing.
    let panicked: Vec<_> = all.iter().filter(|entry| !entry.tell(event)).collect();
    for _ in &panicked {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let event = Event { what: What::ObserverPanicked, ..*event };
        let is_well = |entry: &&Arc<Entry>| !panicked.iter().any(|panicked| Arc::ptr_eq(panicked, entry));
        for entry in all.iter().filter(is_well) {
            // Whoever panics over a panic is counted, and nobody is told of that.
            PANICS.fetch_add(u64::from(!entry.tell(&event)), Ordering::Relaxed);
        }
    }
}

impl Entry {
    /// Returns whether the observer did not panic.
    fn tell(self: &Arc<Self>, event: &Event) -> bool {
        self.running.fetch_add(1, Ordering::SeqCst);
        DEPTH.set(depth() + 1);
        let _told = Told(self);
        if !self.active.load(Ordering::SeqCst) {
            return true;
        }
        let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.observer.observe(event))) else { return true };
        // What it panicked with may panic too when it is dropped, and so on: once is enough.
        catch_unwind(AssertUnwindSafe(|| drop(payload))).unwrap_or_else(std::mem::forget);
        false
    }
}

/// A delivery, to its end.
struct Told<'a>(&'a Entry);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        DEPTH.set(depth() - 1);
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
