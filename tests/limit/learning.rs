//! What limit is found, and what does not move it.

use super::*;

#[tokio::test(start_paused = true)]
async fn it_finds_the_knee_from_below_and_from_above() {
    // Up by more than half in a window; down by a fifth or more with each probe, and from the second on those follow
    // on each other for as long as they find that calls take less than was believed.
    for (initial, millis) in [(2, 5000), (20, 5000), (500, 20_000)] {
        let mut plant = Plant::new(16, 20, builder().initial_limit(initial).build().unwrap());
        plant.run(millis, 4.0).await;
        assert!((16.0..=40.0).contains(&plant.mean(3000)), "from {initial}: {}", plant.mean(3000));
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_it_rejects_at_once_and_every_slot_comes_back() {
    let limit = builder().initial_limit(3).build().unwrap();
    let tokens: Vec<_> = (0..3).map(|_| limit.admit(&(), Instant::now()).unwrap()).collect();
    let rejected = limit.admit(&(), Instant::now()).unwrap_err();
    assert_eq!((rejected.by().as_str(), rejected.why()), ("plant", Why::Full));
    let mut tokens = tokens.into_iter();
    limit.undo(tokens.next().unwrap(), Instant::now());
    for (token, outcome) in tokens.zip([Outcome::Ignored, Outcome::Abandoned]) {
        limit.settle(token, &Ended::new(outcome, Instant::now(), Instant::now()));
    }
    assert_eq!((limit.in_flight(), limit.limit()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn defect_79_after_a_blackout_the_limit_is_back_within_seconds() {
    let mut plant = Plant::new(100, 50, builder().build().unwrap());
    plant.run(10_000, 4.0).await;
    plant.hangs = true;
    plant.run(5000, 4.0).await;
    plant.hangs = false;
    plant.run(3000, 4.0).await;
    assert!(plant.mean(500) >= 80.0, "{}", plant.mean(500));
}

#[tokio::test(start_paused = true)]
async fn defect_80_fast_errors_do_not_change_what_is_learned_of_latency() {
    let mut without = Plant::new(16, 20, builder().build().unwrap());
    without.run(15_000, 4.0).await;
    let mut with = Plant::new(16, 20, builder().build().unwrap());
    with.fails = 2;
    with.run(15_000, 4.0).await;
    let ratio = with.mean(3000) / without.mean(3000);
    assert!((0.7..=1.4).contains(&ratio), "{ratio}");
}

#[tokio::test(start_paused = true)]
async fn defect_82_a_server_that_turns_calls_away_is_believed() {
    let mut plant = Plant::new(100, 50, builder().build().unwrap());
    plant.turns_away_above = 10;
    plant.run(20_000, 1.0).await;
    assert!((8.0..=12.0).contains(&plant.mean(5000)), "{}", plant.mean(5000));
}

#[tokio::test(start_paused = true)]
async fn defect_84_85_under_lasting_load_the_limit_does_not_drift() {
    let mut plant = Plant::new(16, 20, builder().build().unwrap());
    plant.run(20_000, 1.0).await;
    let early = plant.mean(5000);
    plant.run(600_000, 1.0).await;
    let late = plant.mean(5000);
    assert!((0.7..=1.3).contains(&(late / early)), "{early} and then {late}");
}

#[tokio::test(start_paused = true)]
async fn defect_87_a_service_that_becomes_slower_and_faster_is_followed() {
    let mut plant = Plant::new(64, 20, builder().build().unwrap());
    plant.run(10_000, 4.0).await;
    plant.latency = 60;
    plant.run(10_000, 4.0).await;
    assert!((64.0..=140.0).contains(&plant.mean(2000)), "slower: {}", plant.mean(2000));
    plant.latency = 20;
    plant.run(60_000, 4.0).await;
    assert!((64.0..=140.0).contains(&plant.mean(2000)), "faster: {}", plant.mean(2000));
}

#[tokio::test(start_paused = true)]
async fn defect_88_at_its_maximum_it_stays() {
    let mut plant = Plant::new(500, 20, builder().max_limit(50).build().unwrap());
    plant.run(10_000, 10.0).await;
    assert_eq!(plant.limits[9999], 50);
    assert!(plant.mean(5000) > 49.0);
}

#[tokio::test(start_paused = true)]
async fn defect_89_it_does_not_grow_while_it_is_not_in_use() {
    let mut plant = Plant::new(100, 50, builder().build().unwrap());
    plant.run(600_000, 0.002).await;
    assert_eq!(plant.limit.limit(), 20);
    plant.rejected = 0;
    for _ in 0..1000 {
        plant.call();
    }
    assert!(plant.rejected >= 980, "{}", plant.rejected);
}

#[tokio::test(start_paused = true)]
async fn defect_90_a_probe_rejects_nothing_at_half_load_and_keeps_the_floor() {
    let mut plant = Plant::new(16, 20, builder().min_limit(4).build().unwrap());
    plant.run(10_000, 4.0).await;
    (plant.rejected, plant.calls) = (0, 100_000);
    plant.run(60_000, 0.4).await;
    assert!(plant.rejected < 240, "{}", plant.rejected);
    assert!(plant.limits.iter().all(|limit| *limit >= 4));
}

#[tokio::test(start_paused = true)]
async fn defect_91_noise_moves_the_limit_little() {
    let mut plant = Plant::new(16, 20, builder().build().unwrap());
    plant.run(60_000, 4.0).await;
    let last = &plant.limits[20_000..];
    let mean = plant.mean(last.len());
    let variance = last.iter().map(|limit| (f64::from(*limit) - mean).powi(2)).sum::<f64>() / last.len() as f64;
    assert!(variance.sqrt() / mean < 0.25, "{} of {mean}", variance.sqrt());
}

#[tokio::test(start_paused = true)]
async fn defect_92_at_the_minimum_with_a_wrong_base_it_finds_its_way() {
    // It learns that work takes 2 ms, and then it takes ten times as long and there are ten times as many workers.
    let mut plant = Plant::new(4, 2, builder().build().unwrap());
    plant.run(10_000, 4.0).await;
    plant.latency = 20;
    plant.workers = vec![0; 40];
    plant.run(10_000, 4.0).await;
    assert!(plant.mean(1000) >= 38.0, "{}", plant.mean(1000));
}

#[tokio::test(start_paused = true)]
async fn defect_97_many_losses_at_once_cut_it_once() {
    let mut plant = Plant::new(200, 50, builder().initial_limit(100).build().unwrap());
    plant.run(2000, 4.0).await;
    let before = plant.limit.limit();
    plant.hangs = true;
    plant.run(40, 4.0).await;
    plant.hangs = false;
    plant.run(1100, 0.0).await;
    plant.run(50, 1.0).await;
    assert!(plant.limit.limit() >= before / 2 - 1, "{before} and then {}", plant.limit.limit());
}

#[tokio::test(start_paused = true)]
async fn all_algorithms_hold_their_bounds_and_let_work_be_done() {
    async fn check<A: Algorithm>(name: &str, algorithm: A) {
        let limit = builder().algorithm(algorithm).min_limit(2).max_limit(200).build().unwrap();
        let mut plant = Plant::new(16, 20, limit);
        plant.run(60_000, 4.0).await;
        assert!(plant.limits.iter().all(|limit| (2..=200).contains(limit)), "{name}");
        assert!(plant.mean(10_000) >= 14.0, "{name}: {}", plant.mean(10_000));
        // A blackout, and they are back.
        plant.hangs = true;
        plant.run(5000, 4.0).await;
        plant.hangs = false;
        plant.run(20_000, 4.0).await;
        assert!(plant.mean(1000) >= 12.0, "{name}, after a blackout: {}", plant.mean(1000));
    }
    check("AIMD", Aimd::default()).await;
    check("Vegas", Vegas::default()).await;
    check("Gradient", Gradient::default()).await;
    check("Gradient2", Gradient2::default()).await;
}
