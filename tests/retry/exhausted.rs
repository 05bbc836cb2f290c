//! The mark of an answer that was given up, and who heeds it, on a paused clock.
#![cfg(feature = "grpc")]

use std::convert::Infallible;

use cofferdam::{http::HttpAttempts, retry::Exhausted};
use http::{Request, Response};
use tower::{
    ServiceBuilder,
    util::{BoxCloneService, MapRequestLayer, MapResponseLayer},
};

use super::*;

const MARK: &str = "x-request-exhausted";
const PUSHBACK: &str = "grpc-retry-pushback-ms";

type Calls = Arc<AtomicU32>;
type Headers = &'static [(&'static str, &'static str)];

/// Answers every call with that, and counts them. Others succeed meanwhile, so that nothing is passed over.
fn broken<B>(
    calls: &Calls,
    budget: &Budget,
    status: u16,
    headers: Headers,
) -> impl Service<Request<B>, Response = Response<String>, Error = Infallible, Future: Send> + Clone + Send + use<B> {
    let (calls, budget) = (calls.clone(), budget.clone());
    service_fn(move |_: Request<B>| {
        calls.fetch_add(1, Ordering::SeqCst);
        budget.succeeded();
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        ready(Ok(answer.body(String::new()).unwrap()))
    })
}

macro_rules! retry {
    ($budget:expr, $attempts:expr) => {
        Retry::builder("hops").attempts($attempts).backoff(every(ms(10))).budget($budget.clone())
    };
}

fn post() -> Request<String> {
    Request::post("/").body("body".to_owned()).unwrap()
}

fn is_any<B>(_: &Request<B>) -> bool {
    true
}

#[tokio::test(start_paused = true)]
async fn defect_115_a_mark_that_came_over_the_wire_is_heeded_and_nothing_else_is() {
    let cases: [(Headers, u32); 10] = [
        (&[], 3),
        (&[(MARK, "1")], 1),
        (&[(MARK, "4")], 1),
        (&[(MARK, "99999999999999999999999")], 1),
        (&[(MARK, "none"), (MARK, "4")], 1),
        (&[(MARK, "0")], 3),
        (&[(MARK, "-1")], 3),
        (&[(MARK, "")], 3),
        (&[(MARK, "yes")], 3),
        (&[("x-given-up", "4")], 3),
    ];
    for (headers, made) in cases {
        let (calls, budget) = (Calls::default(), rich());
        let layer = retry!(budget, 3).http().idempotent(is_any).build().unwrap();
        let response = layer.layer(broken(&calls, &budget, 500, headers)).oneshot(post()).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), made, "{headers:?}");
        // What others have marked stays as it was.
        assert_eq!(response.extensions().get::<Exhausted>().is_some(), made > 1, "{headers:?}");
        if made == 1 {
            assert!(response.headers().get_all(MARK).iter().eq(headers.iter().map(|(_, value)| value)));
        }
    }
    // Over gRPC it is read as well.
    let (calls, budget) = (Calls::default(), rich());
    let layer = retry!(budget, 3).grpc().idempotent(is_any).build().unwrap();
    let inner = broken(&calls, &budget, 200, &[("grpc-status", "14"), (PUSHBACK, "5"), (MARK, "2")]);
    layer.layer(inner).oneshot(post()).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_of_ones_own_is_written_and_read_and_none_is_neither() {
    for (name, headers, made, written) in [
        (Some("X-Given-Up"), &[][..], 2, Some(("x-given-up", "2"))),
        (Some("X-Given-Up"), &[("x-given-up", "7")], 1, Some(("x-given-up", "7"))),
        (Some("X-Given-Up"), &[("x-other", "7")], 2, Some(("x-given-up", "2"))),
        (None, &[], 2, None),
    ] {
        let (calls, budget) = (Calls::default(), rich());
        let layer = retry!(budget, 2).http().idempotent(is_any).exhausted_header(name).build().unwrap();
        let response = layer.layer(broken(&calls, &budget, 500, headers)).oneshot(post()).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), made, "{name:?} {headers:?}");
        assert!(!response.headers().contains_key(MARK));
        assert_eq!(response.headers().get("x-given-up").map(|value| ("x-given-up", value.to_str().unwrap())), written);
    }
    let (calls, budget) = (Calls::default(), rich());
    let layer = retry!(budget, 2).http().idempotent(is_any).exhausted_header(None).build().unwrap();
    layer.layer(broken(&calls, &budget, 500, &[(MARK, "4")])).oneshot(post()).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2, "it was not to be read");
    let invalid = retry!(budget, 2).http().exhausted_header("host").attempts(0).build().unwrap_err();
    assert_eq!((invalid.field(), invalid.value()), ("exhausted_header", "host"));
}

#[tokio::test(start_paused = true)]
async fn only_an_answer_that_was_given_up_is_marked() {
    // (whether it may be sent again, the answer, what it is marked with)
    for (said, status, mark) in
        [(true, 500, Some("2")), (true, 503, Some("2")), (true, 200, None), (true, 404, None), (false, 500, None)]
    {
        let (calls, budget) = (Calls::default(), rich());
        let layer = retry!(budget, 2).http().idempotent(move |_: &Request<String>| said).build().unwrap();
        let response = layer.layer(broken(&calls, &budget, status, &[])).oneshot(post()).await.unwrap();
        assert_eq!(response.headers().get(MARK).map(|mark| mark.to_str().unwrap()), mark, "{said} {status}");
        assert_eq!(response.extensions().get::<Exhausted>().is_some(), mark.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn over_grpc_a_mark_is_a_pushback_that_other_clients_know_unless_a_time_is_there() {
    for (name, pushback, expected) in [
        (Some(MARK), &[("grpc-status", "14")][..], (Some("-1"), Some("2"))),
        (Some(MARK), &[("grpc-status", "14"), (PUSHBACK, "5")], (Some("5"), Some("2"))),
        (None, &[("grpc-status", "14")], (None, None)),
    ] {
        let (calls, budget) = (Calls::default(), rich());
        let layer = retry!(budget, 2).grpc().idempotent(is_any).exhausted_header(name).build().unwrap();
        let response = layer.layer(broken(&calls, &budget, 200, pushback)).oneshot(post()).await.unwrap();
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!((header(PUSHBACK), header(MARK)), expected, "{name:?} {pushback:?}");
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
    // One that needs no word is not told.
    let (calls, budget) = (Calls::default(), rich());
    let layer = retry!(budget, 2).grpc().idempotent(is_any).build().unwrap();
    let response = layer.layer(broken(&calls, &budget, 200, &[("grpc-status", "0")])).oneshot(post()).await.unwrap();
    assert!(!response.headers().contains_key(PUSHBACK) && !response.headers().contains_key(MARK));
}

/// What is left of an answer on the way to another process.
fn on_the_wire<B>(response: Response<B>) -> Response<B> {
    let (mut head, body) = response.into_parts();
    head.extensions.clear();
    Response::from_parts(head, body)
}

/// How often the last service of a chain is asked, of which each service makes so many attempts of what it is asked, and knows nothing
/// of who asks.
async fn asked(attempts: &[u32], status: u16, headers: Headers, name: Option<&str>) -> u32 {
    let (calls, budget) = (Calls::default(), rich());
    let mut chain = BoxCloneService::new(broken(&calls, &budget, status, headers));
    for attempts in attempts {
        let builder = retry!(budget, *attempts).http_with(cofferdam::Grpc::new()).exhausted_header(name);
        let layer: RetryLayer<_, _, HttpAttempts<cofferdam::Grpc>> = builder.repeat(Cloned::default()).build().unwrap();
        let strangers = MapRequestLayer::new(|mut request: Request<String>| {
            request.extensions_mut().clear();
            request
        });
        let hop = ServiceBuilder::new().layer(MapResponseLayer::new(on_the_wire)).layer(strangers).layer(layer);
        chain = BoxCloneService::new(hop.service(chain));
    }
    chain.oneshot(post()).await.unwrap();
    calls.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn a_chain_asks_as_often_as_its_last_retry_and_not_as_often_as_all_together() {
    for headers in [&[("grpc-status", "13")][..], &[("grpc-status", "14"), (PUSHBACK, "5")]] {
        assert_eq!(asked(&[2, 3], 200, headers, Some(MARK)).await, 2);
        assert_eq!(asked(&[2, 3, 4], 200, headers, Some(MARK)).await, 2);
        assert_eq!(asked(&[2, 3], 200, headers, None).await, 6);
    }
    // A service that makes one attempt leaves it to the next to make more.
    assert_eq!(asked(&[1, 3], 200, &[("grpc-status", "13")], Some(MARK)).await, 3);
}
