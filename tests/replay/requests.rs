//! How retries and hedges send requests again.

use super::*;

macro_rules! retry {
    () => {
        Retry::builder("replay").attempts(2).backoff(Backoff::constant(std::time::Duration::ZERO)).http()
    };
}

/// Neither `Clone` nor `Sync` nor `Unpin`, and its data is not `Bytes`.
struct Odd {
    frames: Cell<u8>,
    _pinned: PhantomPinned,
}

impl Odd {
    fn new() -> Self {
        Self { frames: Cell::new(3), _pinned: PhantomPinned }
    }
}

impl Body for Odd {
    type Data = VecDeque<u8>;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<VecDeque<u8>>, BoxError>>> {
        let left = self.frames.get();
        self.frames.set(left.saturating_sub(1));
        Poll::Ready((left > 0).then(|| Ok(Frame::data([left, left].into()))))
    }
}

fn fails_at_first() -> impl Fn() -> StatusCode + Clone {
    let calls = Arc::new(AtomicU32::new(0));
    move || if calls.fetch_add(1, Ordering::SeqCst) == 0 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
}

fn answer<B: Default>(status: StatusCode) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = status;
    response
}

/// Sends back what it is sent, whatever body it is in.
#[derive(Clone)]
struct TakesAny;

impl<B: Body> Service<Request<B>> for TakesAny {
    type Response = Response<String>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Response<String>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let body = settled(request.into_body().collect()).ok().expect("the body is whole").to_bytes();
        std::future::ready(Ok(Response::new(String::from_utf8(body.into()).unwrap())))
    }
}

#[tokio::test]
async fn any_body_will_do_and_calls_with_it_may_be_spawned() {
    fn is_send<T: Send>(_: &T) {}
    let status = fails_at_first();
    let service = retry!().build().unwrap().layer(service_fn(move |request: Request<Replay<Odd>>| {
        let status = status.clone();
        async move {
            let body = request.into_body().collect().await?.to_bytes();
            assert_eq!(body, &[3, 3, 2, 2, 1, 1][..]);
            Ok::<_, BoxError>(answer::<String>(status()))
        }
    }));
    let call = service.oneshot(Request::put("/").body(Odd::new()).unwrap());
    is_send(&call);
    assert_eq!(tokio::spawn(call).await.unwrap().unwrap().status(), StatusCode::OK);

    // A body whose error is boxed, in a task of its own, over a service that takes any body
    type Boxed = UnsyncBoxBody<Bytes, BoxError>;
    let body: Boxed = UnsyncBoxBody::new(Full::new(Bytes::from("boxed")).map_err(BoxError::from));
    let request = Request::put("/").body(body).unwrap();
    let service = retry!().build().unwrap().layer(TakesAny);
    let response = tokio::spawn(async move { service.clone().oneshot(request).await }).await.unwrap().unwrap();
    assert_eq!(response.into_body(), "boxed");

    // And one that may not even be sent to another thread
    let frames =
        stream::iter([std::rc::Rc::new("local")]).map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from(*text))));
    let (first, tape) = taped(StreamBody::new(frames), 1024);
    assert_eq!(first.collect().await.unwrap().to_bytes(), "local");
    assert_eq!(tape.again().unwrap().collect().await.unwrap().to_bytes(), "local");
}

#[tokio::test]
async fn it_goes_straight_around_an_axum_router() {
    // Given a handler that fails once, and reads bodies of any type
    let (status, seen) = (fails_at_first(), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let seen = seen.clone();
        move |body: Bytes| {
            let status = status();
            seen.fetch_add(body.len(), Ordering::SeqCst);
            async move { status }
        }
    };
    let layer = retry!().build().unwrap();
    let app: Router = Router::new().route("/", put(handler)).layer(layer);

    // When a request comes whose body is a stream
    let body = axum::body::Body::new(chunks(["one", "two"]));
    let response = app.oneshot(Request::put("/").body(body).unwrap()).await.unwrap();

    // Then both attempts have read all of it
    assert_eq!((response.status(), seen.load(Ordering::SeqCst)), (StatusCode::OK, 12));
}

#[tokio::test]
async fn what_cannot_be_sent_again_is_sent_once() {
    // Given a service that reads all, and fails always
    let calls = Arc::new(AtomicU32::new(0));
    let reads_and_fails = |calls: Arc<AtomicU32>| {
        service_fn(move |request: Request<Replay<Fed>>| {
            calls.fetch_add(1, Ordering::SeqCst);
            async move {
                let len = request.into_body().collect().await.unwrap().to_bytes().len();
                let mut response = answer::<String>(StatusCode::BAD_GATEWAY);
                *response.body_mut() = len.to_string();
                Ok::<_, Infallible>(response)
            }
        })
    };
    for (limit, len, attempts) in [(64, 64, 2), (64, 65, 1), (0, 1, 1), (1 << 30, 65, 2)] {
        let (feed, body) = fed();
        let service = retry!().body_limit(limit).build().unwrap().layer(reads_and_fails(calls.clone()));
        calls.store(0, Ordering::SeqCst);
        feed.send(vec![b'a'; len].into()).unwrap();
        drop(feed);

        // When its body is longer than what is kept
        let response = service.oneshot(Request::put("/").body(body).unwrap()).await.unwrap();

        // Then it was sent, once and whole, and the answer says why there was no other attempt
        assert_eq!(response.body(), &len.to_string());
        assert_eq!(calls.load(Ordering::SeqCst), attempts, "{len} bytes with a limit of {limit}");
        let why = if attempts == 1 { GivenUp::Unrepeatable } else { GivenUp::Attempts };
        assert_eq!(response.extensions().get::<Exhausted>().unwrap().why, why);
    }
}

#[test]
fn a_request_that_is_not_sent_again_is_not_recorded() {
    let replayed = Replayed::<ByMethod>::default();
    let request = |method: &str| Request::builder().method(method).body(Full::new(Bytes::from("body"))).unwrap();
    let (sent, kept) = replayed.keep(request("POST"));
    assert!(kept.is_none());
    assert_eq!(data(&mut sent.into_body()), "body");

    // And what is kept is the head and the body, each time
    let mut put = request("PUT");
    put.headers_mut().insert("x-what", "body".parse().unwrap());
    put.extensions_mut().insert(7_u8);
    let (sent, kept) = replayed.keep(put);
    let mut kept = kept.unwrap();
    for request in [Some(sent), replayed.again(&mut kept), replayed.again(&mut kept)].map(Option::unwrap) {
        assert_eq!((request.method().as_str(), &request.headers()["x-what"]), ("PUT", &"body".parse().unwrap()));
        assert_eq!(request.extensions().get::<u8>(), Some(&7));
        assert_eq!(data(&mut request.into_body()), "body");
    }
}

#[test]
fn defect_103_a_limit_beyond_reason_is_refused_by_name() {
    assert!(retry!().body_limit(0).build().is_ok());
    assert!(retry!().body_limit(1 << 30).build().is_ok());
    for limit in [(1 << 30) + 1, usize::MAX] {
        let invalid = retry!().body_limit(limit).map_body(|body: Replay<String>| body).attempts(0).build().unwrap_err();
        assert_eq!((invalid.field(), invalid.value()), ("body_limit", &*limit.to_string()));
    }
}

#[tokio::test]
async fn a_service_that_takes_one_type_of_body_is_given_that() {
    let status = fails_at_first();
    let takes_axum = service_fn(move |request: Request<axum::body::Body>| {
        let status = status.clone();
        async move {
            assert_eq!(axum::body::to_bytes(request.into_body(), 100).await.unwrap(), "onetwo");
            Ok::<_, Infallible>(answer::<String>(status()))
        }
    });
    let layer = retry!().map_body(axum::body::Body::new).idempotent(|_: &Request<_>| true).build().unwrap();
    let service = ServiceBuilder::new().layer(layer).service(takes_axum);
    let response = service.oneshot(Request::post("/").body(chunks(["one", "two"])).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_is_recorded_once_for_a_retry_and_a_hedge_and_kept_until_both_have_their_answer() {
    use cofferdam::replay::Taped;

    let (retry, hedge): (Replayed, _) = (Replayed::default(), Taped::default());
    let put = || Request::put("/").body(chunks(["one", "two"])).unwrap();
    async fn read<B: Body<Data = Bytes>>(request: Request<B>) -> Option<Bytes> {
        Some(request.into_body().collect().await.ok()?.to_bytes())
    }

    // Whichever tape is dropped, the other one plays it from the beginning.
    for retry_first in [true, false] {
        let (request, mut outer) = retry.keep(put());
        let (request, mut inner) = hedge.keep(request);
        let second = hedge.again(inner.as_mut().unwrap()).unwrap();
        assert_eq!(read(request).await.unwrap(), "onetwo");
        let third = if retry_first {
            drop(outer.take());
            hedge.again(inner.as_mut().unwrap()).unwrap()
        } else {
            drop(inner.take());
            retry.again(outer.as_mut().unwrap()).unwrap()
        };
        drop((outer, inner));
        assert_eq!((read(second).await.unwrap(), read(third).await.unwrap()), ("onetwo".into(), "onetwo".into()));
    }

    // What a retry sends once may be hedged all the same, if it may be sent twice at all.
    let (_, kept) = hedge.keep(Repeat::<Request<_>>::once(&retry, put()));
    assert!(kept.is_some());
    let post = Request::post("/").body(chunks(["one", "two"])).unwrap();
    let (_, kept) = hedge.keep(Repeat::<Request<_>>::once(&retry, post));
    assert!(kept.is_none());
    let (request, kept) = retry.keep(Request::post("/").body(chunks(["one", "two"])).unwrap());
    assert!(kept.is_none() && hedge.keep(request).1.is_none());

    // Something of the body is gone: neither makes a further attempt, and nothing is kept for one.
    let limit = 64 * 1024;
    let long = stream::iter([limit, 1].map(|len| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'a'; len])))));
    let (request, outer) = retry.keep(Request::put("/").body(StreamBody::new(long)).unwrap());
    let (request, inner) = hedge.keep(request);
    assert_eq!(read(request).await.unwrap().len(), limit + 1);
    assert!(retry.again(&mut outer.unwrap()).is_none() && hedge.again(&mut inner.unwrap()).is_none());
}

#[test]
fn whoever_follows_redirects_further_in_may_send_no_body() {
    let body = Replay::<Full<Bytes>>::default();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
}
