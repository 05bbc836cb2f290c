//! A budget.

use cofferdam::Budget;

use super::{at, beside};

/// Two threads take from what is left for one: one of them gets it.
#[test]
fn the_last_token_is_spent_once() {
    loom::model(|| {
        let budget = Budget::builder("loom").build().unwrap();
        let kept = [budget.extra_at(at(1)).unwrap(), budget.extra_at(at(1)).unwrap()];
        let other = beside(&budget, move |budget| budget.extra_at(at(1)).is_ok());
        let own = budget.extra_at(at(1)).is_ok();
        assert!(own ^ other.join().unwrap());
        assert_eq!(budget.balance_at(at(1)), 0.0);
        drop(kept);
        assert_eq!(budget.in_flight(), 0);
    });
}

/// A success pays in while somebody takes: nothing is lost.
#[test]
fn what_is_paid_in_meanwhile_is_there() {
    loom::model(|| {
        let budget = Budget::builder("loom").ratio(1.0).build().unwrap();
        drop([budget.extra_at(at(1)), budget.extra_at(at(1))]);
        let other = beside(&budget, move |budget| budget.succeeded_at(at(1)));
        assert!(budget.extra_at(at(1)).is_ok());
        other.join().unwrap();
        assert_eq!(budget.balance_at(at(1)), 1.0);
    });
}
