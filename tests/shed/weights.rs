//! Calls that take more than one slot.

use super::*;

/// A call of that weight that runs until it is dropped.
fn weighing(shed: &Shed, class: Criticality, weight: u32) -> Call {
    let weigh = move |_: &Ask| NonZeroU32::new(weight).expect("something");
    let guard = guard(shed.clone().weighted(weigh));
    Box::pin(async move { guard.call(&Ask::of(class), std::future::pending).await })
}

#[tokio::test(start_paused = true)]
async fn defect_96_a_call_heavier_than_the_limit_has_its_turn_and_runs_alone() {
    let shed = shed(5);
    let mut light: Vec<_> = (0..5).map(|_| weighing(&shed, Critical, 1)).collect();
    for call in &mut light {
        assert!(poll!(call).is_pending());
    }
    // Without a task, only the class says who goes first.
    let (mut heavy, mut behind) = (weighing(&shed, CriticalPlus, 50), weighing(&shed, Critical, 1));
    assert!(poll!(&mut heavy).is_pending() && poll!(&mut behind).is_pending());
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (5, 2));
    // Those in flight end one by one. As long as one is there it waits, and so does the one behind it.
    for left in (0..5).rev() {
        light.pop();
        assert_eq!(shed.waiting(), if left == 0 { 1 } else { 2 });
        assert!(poll!(&mut behind).is_pending());
        assert_eq!(shed.limit().in_flight(), left);
    }
    assert!(poll!(&mut heavy).is_pending());
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (50, 1));
    // Also where the limit changes meanwhile, it gives back what it took.
    shed.configure("max_limit", "60").unwrap();
    shed.configure("min_limit", "60").unwrap();
    assert!(poll!(&mut behind).is_pending());
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (51, 0));
    drop(heavy);
    assert_eq!(shed.limit().in_flight(), 1);
    drop(behind);
    assert_eq!(shed.limit().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_heavy_call_that_leaves_the_line_lets_those_behind_it_in() {
    let shed = shed(4);
    let mut runs = weighing(&shed, Critical, 3);
    let (mut heavy, mut light) = (weighing(&shed, CriticalPlus, 4), weighing(&shed, Critical, 1));
    assert!(poll!(&mut runs).is_pending() && poll!(&mut heavy).is_pending() && poll!(&mut light).is_pending());
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (3, 2));
    drop(heavy);
    assert!(poll!(&mut light).is_pending());
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (4, 0));
    drop((runs, light));
    assert_eq!(shed.limit().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_line_holds_as_many_slots_whatever_calls_weigh() {
    // It learns that calls weigh ten: then a tenth of what would wait of weight one does.
    let shed = shed(20);
    for _ in 0..20 {
        let mut calls: Vec<_> = (0..2).map(|_| weighing_for(&shed, Critical, 10, 100)).collect();
        for call in &mut calls {
            assert!(poll!(&mut *call).is_pending());
        }
        advance(Duration::from_millis(100)).await;
        for call in &mut calls {
            assert!(poll!(call).is_ready());
        }
    }
    assert_eq!(shed.limit().in_flight(), 0);
    let mut calls: Vec<_> = (0..500).map(|_| weighing(&shed, Critical, 10)).collect();
    for call in &mut calls {
        let _ = poll!(call);
    }
    assert_eq!(shed.limit().in_flight(), 20);
    // 200 slots a second, a quarter of ten seconds: 500 slots, which is beyond sixteen limits.
    assert_eq!(shed.waiting(), 16 * 20 / 10);
}

/// A call of that weight that works for so many milliseconds.
fn weighing_for(shed: &Shed, class: Criticality, weight: u32, millis: u64) -> Call {
    let weigh = move |_: &Ask| NonZeroU32::new(weight).expect("something");
    let guard = guard(shed.clone().weighted(weigh));
    Box::pin(async move {
        let work = || async {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(1)
        };
        guard.call(&Ask::of(class), work).await
    })
}

#[tokio::test(start_paused = true)]
async fn a_class_with_a_share_gets_it_in_slots() {
    // Two classes ask for all there is, one by calls of four slots. The share is one of slots, so it is not four fifths of
    // the calls' own.
    let shed: Shed = LoadShed::builder(limit(4)).min_share(Sheddable, 0.2).build().unwrap();
    let mut served = [0.0, 0.0];
    let mut waits: Vec<(usize, f64, Call)> = Vec::new();
    for _ in 0..2000 {
        let grave = [(0, CriticalPlus, 1); 6];
        for (which, class, weight) in grave.into_iter().chain([(1, Sheddable, 4)]) {
            waits.push((which, weight.into(), weighing_for(&shed, class, weight, 5)));
        }
        advance(Duration::from_millis(5)).await;
        let mut still = Vec::new();
        for (which, weight, mut call) in waits {
            match poll!(&mut call) {
                Poll::Pending => still.push((which, weight, call)),
                Poll::Ready(answer) => served[which] += if answer.is_ok() { weight } else { 0.0 },
            }
        }
        waits = still;
    }
    let share = served[1] / (served[0] + served[1]);
    assert!((0.1..=0.35).contains(&share), "{share} of {served:?}");
}
