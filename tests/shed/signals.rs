//! What else sheds.

use super::*;

#[tokio::test(start_paused = true)]
async fn defect_167_signals_that_say_nothing_shed_nothing() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -5.0] {
        let shed: Shed = LoadShed::builder(limit(100)).signal(Gauge::new(0.8, move || value).unwrap()).build().unwrap();
        for _ in 0..50 {
            advance(Duration::from_millis(100)).await;
            let token = admit(&shed, Sheddable).expect("nothing is known");
            shed.undo(token, Instant::now());
        }
    }
    // Nobody runs the probe.
    let (lag, _probe) = SchedulerLag::new(Duration::from_millis(5)).unwrap();
    assert_eq!(lag.pressure(Instant::now()), None);
    assert!(Gauge::new(f64::NAN, || 0.0).is_err() && Gauge::new(0.0, || 0.0).is_err());
    assert!(SchedulerLag::new(Duration::ZERO).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_gauge_sheds_the_lowest_first_by_steps_and_lets_them_back_in() {
    let load = Arc::new(AtomicU64::new(50));
    let read = Arc::clone(&load);
    let gauge = Gauge::new(80.0, move || read.load(Ordering::Relaxed) as f64).unwrap();
    let shed: Shed = LoadShed::builder(limit(100)).signal(gauge).build().unwrap();
    assert!(share(&shed, Sheddable).await > 0.99);
    load.store(200, Ordering::Relaxed);
    share(&shed, Sheddable).await;
    assert!(share(&shed, CriticalPlus).await > 0.99);
    let after_some = share(&shed, Sheddable).await;
    assert!(after_some < 0.7, "{after_some}");
    for _ in 0..20 {
        share(&shed, Sheddable).await;
    }
    assert!(share(&shed, Critical).await < 0.01);
    // Something is always let in.
    assert!(share(&shed, CriticalPlus).await > 0.05);
    load.store(10, Ordering::Relaxed);
    for _ in 0..25 {
        share(&shed, Sheddable).await;
    }
    assert!(share(&shed, Sheddable).await > 0.99);
}
