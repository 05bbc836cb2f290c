//! S4: does a front end's healthy dependency notice anything of its sick one?

use crate::lab::front::{Around, Figures, Front, Trouble};

/// A run with optimizations takes a tenth of the time, and can afford more seeds and longer troubles.
const SEEDS: u64 = if cfg!(debug_assertions) { 1 } else { 3 };
const LASTS: f64 = if cfg!(debug_assertions) { 8.0 } else { 30.0 };

fn worst(front: Front, around: Around) -> Figures {
    front.worst(around, 0..SEEDS)
}

/// A loses no more than one in a thousand, and B has at least that part of what is possible.
fn contains(front: Front, least: f64) {
    let figures = worst(front, Around::Pool);
    assert!(figures.a_lost <= 0.001, "{front:?}: {figures:?}");
    assert!(figures.b_of_possible >= least, "{front:?}: {figures:?}");
    assert_eq!(figures.lost_before, 0.0, "{front:?}: {figures:?}");
}

fn at(rate: f64, share: f64, trouble: Trouble) -> Front {
    Front { rate, share, lasts: LASTS, ..Front::s4(trouble, 0) }
}

#[test]
fn the_same_seed_gives_the_same_figures_and_another_does_not() {
    let run = |seed| Front { lasts: 2.0, ..Front::s4(Trouble::Slower(25.0), seed) }.run(Around::Pool).figures();
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// A breaker sees nothing of what is slow and goes well.
#[test]
fn without_a_pool_the_healthy_one_is_lost_with_the_sick_one() {
    let figures = worst(at(1_000.0, 0.5, Trouble::Slower(25.0)), Around::Breaker);
    assert!(figures.a_lost > 0.5, "{figures:?}");
}

#[test]
fn s4_a_hang_is_contained() {
    let figures = worst(Front::s4(Trouble::Hang, 0), Around::Pool);
    assert!(figures.a_lost <= 0.001, "{figures:?}");
    assert!(figures.b_at_once >= 0.95, "{figures:?}");
    assert!(figures.calls_once_known <= 1.0, "{figures:?}");
    // The last probe that hung may have been sent a moment before, the next one goes 1.05 s later, and then it ramps for 0.3 s.
    assert!(figures.b_back <= 1.5 && figures.b_recovery <= 1.0, "{figures:?}");
}

#[test]
fn s4_a_slow_one_has_what_nobody_else_needs() {
    contains(at(100.0, 0.5, Trouble::Slower(4.0)), 0.99);
    contains(at(500.0, 0.2, Trouble::Slower(4.0)), 0.99);
    contains(at(500.0, 0.2, Trouble::Slower(10.0)), 0.99);
    contains(at(500.0, 0.2, Trouble::Slower(25.0)), 0.9);
    // A run of slow answers may open B's breaker.
    contains(at(500.0, 0.2, Trouble::Slower(50.0)), 0.5);
    contains(at(1_000.0, 0.5, Trouble::Slower(25.0)), 0.8);
}

#[test]
fn s4_under_the_largest_loads() {
    contains(at(1_500.0, 0.5, Trouble::Hang), 1.0);
    contains(at(1_500.0, 0.5, Trouble::Slower(4.0)), 0.8);
    contains(at(1_500.0, 0.5, Trouble::Slower(10.0)), 0.8);
    // How much of the little that is possible B gets here depends on when its breaker probes.
    let figures = worst(at(1_500.0, 0.5, Trouble::Slower(50.0)), Around::Pool);
    assert!(figures.a_lost <= 0.001 && figures.lost_before == 0.0, "{figures:?}");
}

#[test]
fn s4_errors_cost_the_healthy_one_nothing_and_no_answers() {
    contains(at(500.0, 0.5, Trouble::Fail(0.5)), 0.95);
    contains(at(100.0, 0.2, Trouble::Fail(0.5)), 0.8);
    contains(at(500.0, 0.5, Trouble::Fail(0.8)), 0.8);
}

/// So many of its instances hang: there are answers all the time, and calls that hold slots for nothing. It takes a second until
/// the first of them is given up, and nobody knows before.
#[test]
fn s4_one_that_hangs_in_part_is_contained_once_that_is_known() {
    for (part, least) in [(0.5, 0.5), (0.67, 0.1)] {
        let figures = worst(Front { lasts: 30.0, ..at(1_000.0, 0.5, Trouble::HangPart(part)) }, Around::Pool);
        assert!(figures.a_lost <= 0.005 && figures.b_of_possible >= least, "{part}: {figures:?}");
    }
}

#[test]
fn s4_in_pools_of_other_sizes() {
    for trouble in [Trouble::Hang, Trouble::Slower(10.0), Trouble::Slower(25.0)] {
        contains(Front { slots: 16, ..at(250.0, 0.5, trouble) }, 0.6);
        contains(Front { slots: 256, lasts: 5.0, ..at(4_000.0, 0.5, trouble) }, 0.6);
    }
    contains(Front { slots: 256, ..at(1_000.0, 0.5, Trouble::Slower(25.0)) }, 0.9);
}

#[test]
fn s4_a_pool_that_is_told_a_number_contains_as_well() {
    let figures = worst(at(1_000.0, 0.5, Trouble::Slower(25.0)), Around::PoolByNumber);
    assert!(figures.a_lost <= 0.001 && figures.b_of_possible >= 0.8, "{figures:?}");
}

/// Seven tenths of the pool are in use, and all of it when B is twice as slow: too little slower to be sick.
#[test]
fn s4_a_small_slowdown_of_a_busy_pool_costs_little() {
    let front = Front { lasts: 25.0, ..at(2_250.0, 0.5, Trouble::Slower(2.0)) };
    assert!(worst(front, Around::Breaker).a_lost > 0.2);
    let figures = worst(front, Around::Pool);
    assert!(figures.a_lost <= 0.01 && figures.b_good > 0.85, "{figures:?}");
}

/// The pool at 93 %.
#[test]
fn s4_while_all_is_well_nothing_is_refused() {
    let front = Front { lasts: 2.0, ..at(2_976.0, 0.5, Trouble::Nothing) };
    let figures = worst(front, Around::Pool);
    assert_eq!((figures.a_lost, figures.b_good, figures.lost_before), (0.0, 1.0, 0.0), "{front:?}");
}

/// Ten workers at 93 % have lines of their own now and then, and are as slow then as if something were wrong.
#[test]
fn s4_a_dependency_with_a_line_of_its_own_is_refused_little() {
    let calm = Front { lasts: 2.0, ..at(930.0, 0.5, Trouble::Nothing) };
    for workers in [[None, Some(10)], [Some(10); 2]] {
        let front = Front { workers, ..calm };
        let figures = worst(front, Around::Pool);
        assert!(figures.lost_before <= 0.005, "{front:?}: {figures:?}");
    }
}

#[test]
fn s4_a_surge_of_the_healthy_one_is_followed() {
    contains(Front { surge: 4.0, lasts: 15.0, ..at(600.0, 0.5, Trouble::Slower(25.0)) }, 0.6);
}
