//! Those who listen, and those who make things happen.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Wake, Waker},
};

use cofferdam::{Bell, CircuitBreaker};
use loom::{sync::atomic::AtomicBool, thread};

use super::{beside, explore};

#[derive(Default)]
struct Count(AtomicU64);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Whoever listens and looks then, and finds nothing, is woken when there is something.
#[test]
fn a_bell_is_heard_or_what_it_rings_for_is_seen() {
    explore(3, || {
        let (bell, shut) = (Arc::new(Bell::default()), Arc::new(AtomicBool::new(false)));
        let ringer = {
            let (bell, shut) = (bell.clone(), shut.clone());
            thread::spawn(move || {
                shut.store(true, Ordering::Release);
                bell.ring();
            })
        };
        let count = Arc::new(Count::default());
        let listening = bell.listen(&Waker::from(count.clone()));
        let seen = shut.load(Ordering::Acquire);
        ringer.join().unwrap();
        assert!(seen || count.0.load(Ordering::SeqCst) == 1);
        assert!(count.0.load(Ordering::SeqCst) <= 1);
        drop(listening);
        bell.ring();
        assert_eq!(Arc::strong_count(&count), 1, "the bell keeps nobody's waker");
    });
}

/// Two threads change a breaker: when both are done, everything was handed out, and the last state is the last one told.
#[test]
fn the_last_state_is_the_last_one_told() {
    explore(2, || {
        let breaker = CircuitBreaker::builder("loom").build().unwrap();
        let states = breaker.subscribe();
        let other = beside(&breaker, move |breaker| breaker.force_open());
        breaker.force_closed();
        other.join().unwrap();
        assert_eq!(*states.borrow(), breaker.state());
    });
}
