//! What is served first, and that everybody agrees on it.

use super::*;

fn tasks() -> impl Iterator<Item = TaskKey> {
    (0..4096).map(|number| TaskKey::of(&format!("task {number}")))
}

#[test]
fn a_class_goes_before_every_task_of_the_classes_below() {
    for pair in Criticality::ALL.windows(2) {
        let lowest = tasks().map(|task| Rank::in_epoch(pair[0], task, 7)).min();
        let highest = tasks().map(|task| Rank::in_epoch(pair[1], task, 7)).max();
        assert!(lowest > highest, "{pair:?}");
    }
}

#[test]
fn the_tasks_of_a_class_share_its_ranks_evenly() {
    let mut counts = [0; Rank::COUNT];
    for task in tasks() {
        counts[Rank::in_epoch(Criticality::Critical, task, 7).index()] += 1;
    }
    assert_eq!(counts.iter().filter(|count| **count > 0).count(), 16);
    assert!(counts.iter().all(|count| *count == 0 || (200..312).contains(count)), "{counts:?}");
}

#[test]
fn one_task_has_one_rank_and_loses_it_with_the_epoch() {
    let task = TaskKey::of("order 4711");
    let ranks: Vec<_> = (0..100).map(|epoch| Rank::in_epoch(Criticality::Critical, task, epoch)).collect();
    assert!((0..16).filter(|within| ranks.iter().any(|rank| rank.index() % 16 == *within)).count() > 12);
    assert_eq!(Rank::of(Criticality::Critical, Some(task)), Rank::of(Criticality::Critical, Some(task)));
}

#[test]
fn the_order_of_tasks_is_the_order_of_ranks() {
    let (mut by_order, mut by_rank): (Vec<_>, Vec<_>) = (tasks().collect(), tasks().collect());
    by_order.sort_by_key(|task| task.order(3));
    by_rank.sort_by_key(|task| std::cmp::Reverse(Rank::in_epoch(Criticality::Critical, *task, 3)));
    let ranks = |tasks: &[TaskKey]| -> Vec<_> {
        tasks.iter().map(|task| Rank::in_epoch(Criticality::Critical, *task, 3)).collect()
    };
    assert_eq!(ranks(&by_order), ranks(&by_rank));
}

#[test]
fn who_has_no_task_is_not_always_the_victim() {
    let ranks: std::collections::HashSet<_> = (0..500).map(|_| Rank::of(Criticality::Sheddable, None)).collect();
    assert_eq!(ranks.len(), 16);
}

#[cfg(feature = "http")]
#[test]
fn a_request_that_says_nothing_is_critical() {
    use cofferdam::context::CarriedRank;

    let rank = CarriedRank.rank(&http::Request::new(()));
    assert_eq!(rank.criticality(), Criticality::Critical);
}

#[test]
fn a_function_tells_the_rank_of_any_request() {
    let rank = |_: &u32| Rank::in_epoch(Criticality::SheddablePlus, TaskKey::from_bits(1), 0);
    assert_eq!(RankSource::rank(&rank, &5).criticality(), Criticality::SheddablePlus);
}
