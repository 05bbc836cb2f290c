//! What a hedge learns.

use std::time::Duration;

use cofferdam::hedge::Learner;
use loom::sync::Arc;

use super::beside;

fn learner() -> Arc<Learner> {
    let learner = Learner::new(0.02, Duration::from_millis(1), Duration::from_secs(10)).unwrap();
    learner.seen(Duration::from_millis(10));
    Arc::new(learner)
}

/// Each step moves the delay by a share of it, so whatever the order, the steps of all threads are in it.
#[test]
fn no_step_is_lost() {
    loom::model(|| {
        let (learner, expected) = (learner(), learner());
        expected.late();
        expected.won();
        expected.in_time();
        let other = beside(&learner, move |learner| {
            learner.late();
            learner.won();
        });
        learner.in_time();
        other.join().unwrap();
        assert_eq!((learner.delay(), learner.calls()), (expected.delay(), expected.calls()));
    });
}

/// Two are the first: one of them is, and the other is compared with it.
#[test]
fn one_is_the_first() {
    loom::model(|| {
        let learner = Arc::new(Learner::new(0.02, Duration::from_millis(1), Duration::from_secs(10)).unwrap());
        let other = beside(&learner, move |learner| learner.seen(Duration::from_millis(10)));
        learner.seen(Duration::from_millis(40));
        other.join().unwrap();
        assert_eq!(learner.calls(), 2);
        // 10 ms and a fifth up, or 40 ms and a fifth down.
        let delay = learner.delay().unwrap().as_micros();
        assert!((12_100..12_300).contains(&delay) || (32_600..32_900).contains(&delay), "{delay}");
    });
}
