//! When nothing more is sent: something is wrong, we paused, calls pile up, or time is up.

use super::*;

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_anything_is_wrong() {
    let told = reasons("wrong");
    let dependency = Dependency::builder("wrong").budget(rich()).build().unwrap();
    let builder = Hedge::builder("wrong").fixed_delay(ms(10)).extra(1).dependency(&dependency);
    let layer = builder.build().unwrap();
    let breaker = CircuitBreaker::builder("wrong").dependency(&dependency).build().unwrap();
    let limit = AdaptiveLimit::builder("wrong").initial_limit(1).max_limit(2).dependency(&dependency).build().unwrap();
    let script = Script::new([]);
    let report = dependency.report();
    let slow = |before: &dyn Fn(), meanwhile: &dyn Fn()| {
        script.also([Do::Ok(20)]);
        before();
        let mut call = Box::pin(layer.layer(script.clone()).oneshot(()));
        assert!((&mut call).now_or_never().is_none());
        meanwhile();
        call
    };
    let nothing = || {};
    // It became so while the call was waited for: that is told.
    for (begins, ends, why) in [
        (&(|| breaker.force_open()) as &dyn Fn(), &(|| breaker.reset()) as &dyn Fn(), GivenUp::Open),
        (
            &|| report.state(cofferdam::dependency::Fact::Stalled, Instant::NEVER),
            &|| report.take_back(cofferdam::dependency::Fact::Stalled),
            GivenUp::Stalled,
        ),
        (&|| (0..3).for_each(|_| dependency.budget().failed()), &|| dependency.budget().succeeded(), GivenUp::Failing),
        (&|| layer.suspend(), &|| layer.resume(), GivenUp::Off),
    ] {
        slow(&nothing, begins).await.unwrap();
        ends();
        assert_eq!(told(), [why]);
        // It was so when the call was made: it is not hedged at all.
        slow(begins, ends).await.unwrap();
        assert_eq!((told(), layer.counts().sent), (vec![], 0), "{why}");
    }
    // A limit that was reached.
    let held: Vec<_> = (0..3).filter_map(|_| cofferdam::Admit::admit(&limit, &(), Instant::now()).ok()).collect();
    assert!(dependency.is_under_pressure());
    slow(&nothing, &nothing).await.unwrap();
    assert_eq!(layer.counts().sent, 0);
    held.into_iter().for_each(|token| limit.undo(token, Instant::now()));
    // And when all is well again, it is sent.
    tokio::time::advance(ms(2_000)).await;
    slow(&nothing, &nothing).await.unwrap();
    assert_eq!((told(), layer.counts().sent), (vec![], 1));
}

/// A container that has used up its share of the processor, a machine that swaps: all timers fire at once and late, and the
/// answers that came meanwhile have not been looked at.
#[tokio::test(start_paused = true)]
async fn a_pause_of_our_own_is_nobodys_slowness() {
    let layer = Hedge::builder("pause").build().unwrap();
    let service = layer.layer(tower::service_fn(|()| async {
        tokio::time::sleep(ms(5)).await;
        tokio::time::sleep(ms(5)).await;
        Ok::<_, BoxError>(())
    }));
    for _ in 0..300 {
        service.clone().oneshot(()).await.unwrap();
    }
    let (delay, sent) = (layer.delay().unwrap(), layer.counts().sent);
    for _ in 0..20 {
        let calls = (0..50).map(|_| service.clone().oneshot(()));
        let pause = async {
            tokio::time::sleep(ms(3)).await;
            tokio::time::advance(ms(100)).await;
        };
        let (answers, ()) = tokio::join!(futures_util::future::join_all(calls), pause);
        assert!(answers.iter().all(Result::is_ok));
    }
    assert!(layer.delay().unwrap() <= delay + ms(1), "{delay:?} became {:?}", layer.delay());
    assert_eq!(layer.counts().sent, sent);
}

/// It is excused once. What is still not answered after as long again is hedged.
#[tokio::test(start_paused = true)]
async fn after_a_pause_of_our_own_what_is_slow_is_hedged_all_the_same() {
    let layer = Hedge::builder("pause").fixed_delay(ms(10)).extra(1).budget(rich()).build().unwrap();
    let script = Script::new([Do::Never, Do::Ok(5)]);
    let (started, service) = (Instant::now(), layer.layer(script));
    let pause = async {
        tokio::time::sleep(ms(3)).await;
        tokio::time::advance(ms(100)).await;
    };
    let (answer, ()) = tokio::join!(service.oneshot(()), pause);
    assert_eq!(answer.unwrap(), 2);
    let took = Instant::now().since(started);
    assert!((ms(118)..=ms(120)).contains(&took), "{took:?}");
}

/// Of two pauses the second is no excuse: what is sent after it is to get as old as the delay before the next is.
#[tokio::test(start_paused = true)]
async fn after_a_pause_the_next_attempt_waits_for_the_one_before() {
    let (layer, script) = (hedge(10), Script::new([Do::Never, Do::Never, Do::Never]));
    let mut call = Box::pin(layer.layer(script.clone()).oneshot(()));
    let mut sent_after = async |millis| {
        tokio::time::advance(ms(millis)).await;
        assert!(futures_util::poll!(&mut call).is_pending());
        script.calls.load(Ordering::SeqCst)
    };
    assert_eq!(sent_after(0).await, 1);
    assert_eq!((sent_after(60_000).await, sent_after(60_000).await), (1, 2));
    assert_eq!((sent_after(9).await, sent_after(2).await), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn when_calls_pile_up_nothing_is_sent() {
    let told = reasons("crowd");
    let layer = Hedge::builder("crowd").fixed_delay(ms(10)).extra(1).budget(rich()).build().unwrap();
    let script = Script::new(std::iter::repeat_n(Do::Ok(30), 1_000));
    let service = layer.layer(script.clone());
    let calls = |number: usize| futures_util::future::join_all((0..number).map(|_| service.clone().oneshot(())));
    // Four at a time are usual. Hedges are paid, so that they do not matter.
    calls(4).await;
    assert_eq!(layer.counts().sent, 4);
    tokio::time::sleep(Duration::from_secs(10)).await;
    layer.budget().succeeded();
    calls(6).await;
    assert_eq!((layer.counts().sent, told().len()), (10, 0));
    // Seven are more than half as many again.
    let mut late = std::pin::pin!(calls(7));
    assert!(futures_util::poll!(&mut late).is_pending());
    assert_eq!(layer.in_flight(), 7);
    late.await;
    assert_eq!(layer.counts().sent, 10);
    assert_eq!(told(), [GivenUp::Crowded; 7]);
}

/// All calls take fifty times as long: the delay that is learned follows, but it says nothing of single calls any more.
#[tokio::test(start_paused = true)]
async fn while_all_calls_take_far_longer_than_usual_nothing_is_sent() {
    let told = reasons("slow");
    let layer = Hedge::builder("slow").budget(rich()).build().unwrap();
    let service = |millis| {
        layer.layer(tower::service_fn(move |()| async move {
            tokio::time::sleep(ms(millis)).await;
            Ok::<_, BoxError>(())
        }))
    };
    let calls = async |number: u32, millis| {
        for _ in 0..number {
            layer.budget().succeeded();
            service(millis).oneshot(()).await.unwrap();
        }
    };
    calls(400, 10).await;
    assert!(layer.delay().unwrap() < ms(15));
    calls(200, 500).await;
    assert!(told().ends_with(&[GivenUp::Slow; 20]));
    let sent = layer.counts().sent;
    calls(20, 500).await;
    assert_eq!(layer.counts().sent, sent);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_deadline() {
    let told = reasons("deadline");
    let builder = Hedge::builder("deadline").fixed_delay(ms(10)).extra(1).budget(rich()).context();
    let layer = builder.build().unwrap();
    let script = Script::new([Do::Ok(50)]);
    let letter = Letter::until(Deadline::after(ms(5)));
    assert_eq!(layer.layer(script.clone()).oneshot(letter).await.unwrap(), 1);
    assert_eq!((script.calls(), told()), (1, vec![GivenUp::Time]));
}
