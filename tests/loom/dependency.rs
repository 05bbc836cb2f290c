//! What several know of a dependency.

use cofferdam::{Dependency, Instant, dependency::Fact};
use loom::thread;

use super::at;

/// One states a fact while the other takes it back: it holds in the end.
#[test]
fn what_one_states_is_not_taken_back_by_another() {
    loom::model(|| {
        let dependency = Dependency::builder("loom").build().unwrap();
        let (one, other) = (dependency.report(), dependency.report());
        other.state(Fact::Open, at(5));
        let thread = thread::spawn(move || {
            other.take_back(Fact::Open);
            other
        });
        one.state(Fact::Open, at(10));
        let other = thread.join().unwrap();
        assert!(dependency.is_at(Fact::Open, at(9)));
        one.take_back(Fact::Open);
        assert!(!dependency.is_at(Fact::Open, at(1)));
        drop(other);
    });
}

/// One goes while another comes and states: only what that states is left.
#[test]
fn what_was_stated_goes_with_whoever_stated_it() {
    loom::model(|| {
        let dependency = Dependency::builder("loom").build().unwrap();
        let one = dependency.report();
        one.state(Fact::Pressed, Instant::NEVER);
        let thread = thread::spawn(move || drop(one));
        let other = dependency.report();
        other.state(Fact::Pressed, at(10));
        thread.join().unwrap();
        assert!(dependency.is_at(Fact::Pressed, at(9)));
        assert!(!dependency.is_at(Fact::Pressed, at(10)));
    });
}
