//! Answers that go on for as long as their reader stays: over for a limit with their head, and for nobody else.

use std::{num::NonZeroU32, sync::Arc};

use cofferdam::{
    AdaptiveLimit, Admit, Criticality, Ended, Instant, LoadShed, Shadow,
    context::Rank,
    http::{ClassifyLasting, EventStreams, Lasting},
    keyed::Keyed,
};
use http_body_util::StreamBody;

use super::*;

/// Something on its way, and its end never comes.
type Endless = StreamBody<futures_util::stream::Pending<Result<Frame<Bytes>, Broken>>>;

fn endless(content_type: Option<&'static str>) -> Response<Endless> {
    let mut response = Response::new(StreamBody::new(futures_util::stream::pending()));
    if let Some(kind) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

const EVENTS: Option<&str> = Some("text/event-stream");

fn limit() -> AdaptiveLimit {
    AdaptiveLimit::builder("limit").initial_limit(4).build().unwrap()
}

fn ranked(_: &()) -> Rank {
    Rank::of(Criticality::Critical, None)
}

fn three(_: &()) -> NonZeroU32 {
    NonZeroU32::new(3).unwrap()
}

/// The body of an answer through that policy, and what the limit and a bulkhead beside it hold at its head and at its end.
fn held_by<P: Admit<()>>(policy: P, in_flight: impl Fn() -> u32, answer: impl Fn() -> Response<Endless>) -> [u32; 4]
where
    (P, Bulkhead): Admit<()> + Policy<Kind: cofferdam::Run<Answers, (), (P, Bulkhead), Http>>,
{
    let slots = Bulkhead::builder("slots").limit(9).build().unwrap();
    let answers: Answers = Answers(Arc::new(std::sync::Mutex::new(Some(answer()))));
    let service = guard((policy, slots.clone())).http().layer(answers);
    let response = settled(service.oneshot(())).unwrap();
    let at_its_head = [in_flight(), slots.in_flight()];
    drop(response);
    [at_its_head[0], at_its_head[1], in_flight(), slots.in_flight()]
}

/// Answers once.
#[derive(Clone)]
struct Answers(Arc<std::sync::Mutex<Option<Response<Endless>>>>);

impl tower::Service<()> for Answers {
    type Response = Response<Endless>;
    type Error = Broken;
    type Future = std::future::Ready<Result<Response<Endless>, Broken>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        std::future::ready(Ok(self.0.lock().unwrap().take().expect("asked once")))
    }
}

#[test]
fn a_limit_is_given_its_slot_back_with_the_head_and_once_in_whatever_it_is_wrapped() {
    for (answer, at_head) in [(EVENTS, [0, 0]), (Some("application/json"), [1, 3])] {
        let [one, weighed] = at_head;
        let answer = || endless(answer);
        let limit = limit();
        let held = || limit.in_flight();
        assert_eq!(held_by(limit.clone(), held, answer), [one, 1, 0, 0]);
        assert_eq!(held_by(Some(limit.clone()), held, answer), [one, 1, 0, 0]);
        assert_eq!(held_by(Arc::new(limit.clone()), held, answer), [one, 1, 0, 0]);
        assert_eq!(held_by(Shadow::new(limit.clone()), held, answer), [one, 1, 0, 0]);
        assert_eq!(held_by((limit.clone(), (limit.clone(),)), held, answer), [2 * one, 1, 0, 0]);
        assert_eq!(held_by(limit.clone().weighted(three), held, answer), [weighed, 1, 0, 0]);

        let shed = LoadShed::builder(limit.clone()).rank(ranked).build().unwrap();
        assert_eq!(held_by(shed.clone(), held, answer), [one, 1, 0, 0]);
        assert_eq!(held_by(shed.weighted(three), held, answer), [weighed, 1, 0, 0]);

        let keyed = Keyed::builder(limit.clone()).by(|(): &()| 7).build().unwrap();
        let held_by_key = || keyed.get(&()).unwrap().in_flight();
        assert_eq!(held_by(keyed.clone(), held_by_key, answer), [one, 1, 0, 0]);
    }
}

#[test]
fn a_breaker_hears_of_a_lasting_answer_at_its_head_and_of_others_at_their_end() {
    for (answer, at_its_head) in [(EVENTS, 1), (Some("application/json"), 0)] {
        let breaker = CircuitBreaker::builder("streams").build().unwrap();
        let service =
            breaker.clone().layer().http().layer(Answers(Arc::new(std::sync::Mutex::new(Some(endless(answer))))));
        let response = settled(service.oneshot(())).unwrap();
        assert_eq!(breaker.counts().calls, at_its_head);
        drop(response);
        assert_eq!(breaker.counts().calls, 1, "in whatever way it ends, once");
        assert_eq!(breaker.counts().failures, 0);
    }
}

#[test]
fn whoever_waits_in_line_comes_in_when_a_lasting_answer_has_begun() {
    // Given one slot, which a call holds that has no answer yet
    let limit = AdaptiveLimit::builder("limit").min_limit(1).initial_limit(1).max_limit(1).build().unwrap();
    let shed = LoadShed::builder(limit).rank(ranked).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    let (answer, told) = tokio::sync::oneshot::channel::<()>();
    let told = futures_util::FutureExt::shared(told);
    let service = shed.clone().layer().http().layer(service_fn(move |(): ()| {
        let told = told.clone();
        async move {
            let _ = told.await;
            Ok::<_, Broken>(endless(EVENTS))
        }
    }));
    let mut listens = pin!(service.clone().oneshot(()));
    assert!(poll(listens.as_mut()).is_pending());

    // And another that waits
    let mut waits = pin!(service.oneshot(()));
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!(shed.waiting(), 1);

    // When the first has its head, and goes on
    answer.send(()).unwrap();
    let Poll::Ready(Ok(listening)) = poll(listens.as_mut()) else { panic!("it is answered") };

    // Then the other has its turn
    let Poll::Ready(Ok(second)) = poll(waits.as_mut()) else { panic!("it comes in") };
    assert_eq!((shed.waiting(), shed.limit().in_flight()), (0, 0));
    drop((listening, second));
    assert_eq!(shed.limit().in_flight(), 0);
}

/// Beyond the limit there is room for sixteen health checks at a time. One that lasts leaves it with its head, and only once.
#[test]
fn a_health_check_beyond_the_limit_that_lasts_gives_its_place_back_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    let limit = AdaptiveLimit::builder("limit").min_limit(1).initial_limit(1).max_limit(1).build().unwrap();
    let shed = LoadShed::builder(limit).build().unwrap();
    let service = shed.clone().layer().http().layer(service_fn(|request: Request<()>| async move {
        if request.headers().contains_key("x-watch") {
            return Ok::<_, Broken>(endless(EVENTS));
        }
        std::future::pending().await
    }));
    let check = |watches: bool| {
        let mut request = Request::get("/healthz").body(()).unwrap();
        if watches {
            request.headers_mut().insert("x-watch", HeaderValue::from_static("yes"));
        }
        request
    };
    // Given a call that holds the one slot
    let mut busy = pin!(service.clone().oneshot(Request::new(())));
    assert!(poll(busy.as_mut()).is_pending());

    // When far more health checks than that last, then each is let in
    let lasting: Vec<_> = (0..40).map(|_| settled(service.clone().oneshot(check(true))).unwrap()).collect();
    assert!(lasting.iter().all(|response| response.status() == StatusCode::OK));
    assert_eq!(shed.limit().in_flight(), 1);

    // And when they end, there is room for as many as before, and not for one more
    drop(lasting);
    let mut checks: Vec<_> = (0..16).map(|_| Box::pin(service.clone().oneshot(check(false)))).collect();
    assert!(checks.iter_mut().all(|check| poll(check.as_mut()).is_pending()));
    let mut one_more = pin!(service.oneshot(check(false)));
    assert!(poll(one_more.as_mut()).is_pending());
    assert_eq!(shed.waiting(), 1);
}

/// Writes down what it is told, and when.
#[derive(Clone, Default)]
struct Told(Arc<std::sync::Mutex<Vec<String>>>);

impl Policy for Told {
    type Kind = cofferdam::Immediate;
    type Token = u32;

    fn head(&self, token: &u32, _: Instant, _: Instant) {
        self.0.lock().unwrap().push(format!("head {token}"));
    }

    fn lasts(&self, token: &mut u32, head: &Ended) {
        *token += 1;
        self.0.lock().unwrap().push(format!("lasts {:?}", head.outcome));
    }

    fn settle(&self, token: u32, ended: &Ended) {
        self.0.lock().unwrap().push(format!("end {token} {:?}", ended.outcome));
    }

    fn undo(&self, _: u32, _: Instant) {}
}

impl<R> Admit<R> for Told {
    fn admit(&self, _: &R, _: Instant) -> Result<u32, Rejected> {
        Ok(1)
    }
}

/// What a policy is told of that answer, whose reader leaves after the head.
fn told_of<H>(protocol: H, answer: Response<Endless>) -> String
where
    H: cofferdam::Protocol<Response<Endless>, Broken, Guarded<Told> = Response<Tracked<Endless, Told>>>,
{
    let told = Told::default();
    let answers = Answers(Arc::new(std::sync::Mutex::new(Some(answer))));
    let response = settled(told.clone().layer().protocol(protocol).layer(answers).oneshot(())).unwrap();
    let mut body = Box::pin(response.into_body());
    assert!(poll(pin!(body.frame())).is_pending());
    drop(body);
    told.0.lock().unwrap().join(", ")
}

#[test]
fn what_lasts_is_said_by_its_head_by_a_mark_or_by_whoever_builds_the_protocol() {
    const LASTS: &str = "head 1, lasts Success, end 2 Abandoned";
    const ENDS: &str = "head 1, end 1 Abandoned";
    let marked = || {
        let mut response = endless(None);
        response.extensions_mut().insert(Lasting);
        response
    };
    assert_eq!(told_of(Http::new(), endless(EVENTS)), LASTS);
    assert_eq!(told_of(Http::new(), endless(Some("Text/Event-Stream; charset=utf-8"))), LASTS);
    assert_eq!(told_of(Http::new(), endless(Some("text/event-streams"))), ENDS);
    assert_eq!(told_of(Http::new(), endless(None)), ENDS);
    assert_eq!(told_of(Http::new(), marked()), LASTS);

    // A head that says how long the answer is says that it ends.
    let mut finite = endless(EVENTS);
    finite.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("99"));
    assert_eq!(told_of(Http::new(), finite), ENDS);

    // Whoever builds the protocol knows better; a mark holds all the same.
    let watches = || Http::new().lasting(|status: StatusCode, headers: &HeaderMap| status == 200 && headers.is_empty());
    assert_eq!(told_of(watches(), endless(None)), LASTS);
    assert_eq!(told_of(watches(), endless(EVENTS)), ENDS);
    assert_eq!(told_of(Http::new().lasting(|_: StatusCode, _: &HeaderMap| false), marked()), LASTS);
    let both = |status, headers: &HeaderMap| headers.is_empty() || EventStreams.lasts(status, headers);
    assert_eq!(told_of(Http::new().lasting(both), endless(EVENTS)), LASTS);

    // A call that is over with its head anyway has no rest that could last.
    assert_eq!(told_of(Http::new().until_head(), endless(EVENTS)), "end 1 Success");
    // How the head reads is what the policy is told.
    let mut busy = endless(EVENTS);
    *busy.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(told_of(Http::new(), busy), "head 1, lasts Overload, end 2 Overload");
}
