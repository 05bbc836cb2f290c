//! What a request is worth, from service to service in headers: stories on a paused clock.
#![allow(missing_docs)]
#![cfg(all(feature = "http", feature = "test-util"))]

mod support;

use std::{convert::Infallible, future::ready, time::Duration};

use cofferdam::{
    Attempt, BoxError, Context, ContextHeaders, Criticality, Deadline, Instant, Rejected, TaskKey, Timeout, Why,
    context::{Carried, Trust},
    hops,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response};
use support::settled;
use tokio::time::advance;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

const CLASS: &str = "x-request-criticality";
const MILLIS: &str = "x-request-timeout-ms";
const TASK: &str = "x-request-task";
const ATTEMPT: &str = "x-request-attempt";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn headers() -> ContextHeaders {
    ContextHeaders::default()
}

/// Both ways of telling the time at once.
fn doubled() -> ContextHeaders {
    ContextHeaders::builder().timeout("x-timeout").build().unwrap()
}

fn open() -> Trust {
    Trust::builder().highest_criticality(Criticality::CriticalPlus).build().unwrap()
}

/// A request with these headers.
fn saying(texts: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::new(());
    for (name, text) in texts {
        let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
        request.headers_mut().append(HeaderName::from_static(name), value);
    }
    request
}

/// The request as it comes out at the other side of a layer.
fn through<L>(layer: &L, request: Request<()>) -> Request<()>
where
    L: Layer<Echo, Service: tower::Service<Request<()>, Response = Request<()>, Error = Infallible>>,
{
    settled(layer.layer(service_fn_echo()).oneshot(request)).unwrap()
}

type Echo = tower::util::ServiceFn<fn(Request<()>) -> std::future::Ready<Result<Request<()>, Infallible>>>;

fn echo(request: Request<()>) -> std::future::Ready<Result<Request<()>, Infallible>> {
    ready(Ok(request))
}

/// As a function pointer, so that layers around it have a name.
fn service_fn_echo() -> Echo {
    service_fn(echo as fn(Request<()>) -> std::future::Ready<Result<Request<()>, Infallible>>)
}

fn inbound(trust: Trust, texts: &[(&'static str, &str)]) -> Request<()> {
    through(&headers().inbound(trust), saying(texts))
}

fn left(request: &impl Context) -> Option<Duration> {
    request.deadline().map(Deadline::remaining)
}

fn text<'r>(request: &'r Request<()>, name: &str) -> Option<&'r str> {
    let mut values = request.headers().get_all(name).iter();
    let value = values.next()?.to_str().unwrap();
    assert!(values.next().is_none(), "{name} is there twice");
    Some(value)
}

#[tokio::test(start_paused = true)]
async fn what_a_request_says_is_read_bounded_and_taken_out() {
    // Given a service that believes up to ten seconds
    let trust = Trust::builder().longest_deadline(ms(10_000)).build().unwrap();
    let said = [(CLASS, "sheddable"), (MILLIS, "250"), (TASK, "order 4711"), ("x-other", "stays")];
    let request = inbound(trust, &said);
    assert_eq!((request.criticality(), left(&request)), (Some(Criticality::Sheddable), Some(ms(250))));
    assert_eq!(request.task(), Some(TaskKey::of("order 4711")));
    assert_eq!(request.extensions().get::<Criticality>(), Some(&Criticality::Sheddable));

    // Then nothing of it is left in headers, and what is not its own is
    assert_eq!(request.headers().len(), 1);
    assert_eq!(text(&request, "x-other"), Some("stays"));

    // And too much is cut
    let request = inbound(trust, &[(CLASS, "CRITICAL_PLUS"), (MILLIS, "10001")]);
    assert_eq!((request.criticality(), left(&request)), (Some(Criticality::Critical), Some(ms(10_000))));

    // And who says nothing has nothing
    let request = inbound(trust, &[]);
    assert_eq!(Carried::of(&request), Carried::default());
}

#[tokio::test(start_paused = true)]
async fn defect_164_what_a_stranger_claims_has_no_effect_beyond_what_is_believed() {
    // Given services that believe less and less
    for highest in Criticality::ALL {
        let trust = Trust::builder().highest_criticality(highest).tasks(false).build().unwrap();
        for claimed in Criticality::ALL {
            let request = inbound(trust, &[(CLASS, claimed.as_str()), (TASK, "0000000000000000")]);
            assert_eq!(request.criticality(), Some(claimed.min(highest)));
            // A name that is not believed goes nowhere, in headers neither.
            assert_eq!((request.task(), request.headers().len()), (None, 0));
        }
        // Then silence is not worth more than what is believed either
        let silent = inbound(trust, &[]).criticality().unwrap_or_default();
        assert_eq!(silent, highest.min(Criticality::default()));
    }
    // And by default nobody is of the highest class
    let spoofed = inbound(Trust::default(), &[(CLASS, "CRITICAL_PLUS")]);
    assert_eq!(spoofed.criticality(), Some(Criticality::Critical));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_as_good_as_not_said() {
    let long = "x".repeat(5000);
    let unreadable: [&[(&str, &str)]; 14] = [
        &[(CLASS, "")],
        &[(CLASS, "HIGHEST")],
        &[(CLASS, "CRITICAL, CRITICAL")],
        &[(CLASS, "SHEDDABLE"), (CLASS, "SHEDDABLE")],
        &[(CLASS, &long)],
        &[(MILLIS, "-1")],
        &[(MILLIS, "1e3")],
        &[(MILLIS, "250m")],
        &[(MILLIS, "99999999999999999999")],
        &[(MILLIS, "1"), (MILLIS, "1")],
        &[(MILLIS, "\u{661}")],
        &[(TASK, "")],
        &[(TASK, "a"), (TASK, "b")],
        &[(TASK, &long)],
    ];
    for said in unreadable {
        // Then it is ignored, and goes no further
        let request = inbound(open(), said);
        assert_eq!(Carried::of(&request), Carried::default(), "{said:?}");
        assert!(request.headers().is_empty(), "{said:?}");
    }
    // Bytes that are no text at all
    for name in [CLASS, MILLIS, TASK] {
        let mut request = Request::new(());
        request.headers_mut().insert(name, HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        let request = through(&headers().inbound(open()), request);
        assert_eq!((Carried::of(&request), request.headers().len()), (Carried::default(), 0));
    }
    // And one that cannot be read does not spoil the others
    let request = inbound(open(), &[(CLASS, "?"), (MILLIS, "7")]);
    assert_eq!((request.criticality(), left(&request)), (None, Some(ms(7))));
}

#[tokio::test(start_paused = true)]
async fn names_of_tasks_are_read_up_to_the_length_that_is_believed() {
    let trust = |longest| Trust::builder().longest_task(longest).build().unwrap();
    let name = "x".repeat(4096);
    for longest in [16, 256, 4096] {
        let fits = inbound(trust(longest), &[(TASK, &name[..longest])]);
        assert_eq!(fits.task(), Some(TaskKey::of(&name[..longest])));
        let too_long = format!("{}y", &name[..longest]);
        assert_eq!(inbound(trust(longest), &[(TASK, &too_long)]).task(), None);
    }
    // A key that was passed on is always short enough
    let key = TaskKey::random();
    assert_eq!(inbound(trust(16), &[(TASK, &key.to_string())]).task(), Some(key));
}

#[tokio::test(start_paused = true)]
async fn who_names_no_deadline_has_the_default_one() {
    let trust = Trust::builder().longest_deadline(ms(2000)).default_deadline(ms(500)).build().unwrap();
    for (said, expected) in
        [(None, 500), (Some("soon"), 500), (Some("0"), 0), (Some("1500"), 1500), (Some("9999"), 2000)]
    {
        let said: Vec<_> = said.into_iter().map(|text| (MILLIS, text)).collect();
        assert_eq!(left(&inbound(trust, &said)), Some(ms(expected)), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_request_already_is_only_lowered_by_its_headers() {
    // (known, said, what then holds)
    let (plus, critical, shed) = (Criticality::CriticalPlus, Criticality::Critical, Criticality::Sheddable);
    let classes = [
        (Some(critical), Some(shed), Some(shed)),
        (Some(shed), Some(plus), Some(shed)),
        (Some(plus), None, Some(plus)),
        (None, Some(plus), Some(plus)),
    ];
    let deadlines =
        [(Some(100), Some("50"), 50), (Some(100), Some("200"), 100), (None, Some("200"), 200), (Some(7), None, 7)];
    for (known, said, holds) in classes {
        let mut request =
            saying(&said.map(|class: Criticality| (CLASS, class.as_str())).into_iter().collect::<Vec<_>>());
        if let Some(known) = known {
            request.set_criticality(known);
        }
        assert_eq!(through(&headers().inbound(open()), request).criticality(), holds);
    }
    for (known, said, holds) in deadlines {
        let mut request = saying(&said.map(|text| (MILLIS, text)).into_iter().collect::<Vec<_>>());
        if let Some(known) = known {
            request.set_deadline(Deadline::after(ms(known)));
        }
        assert_eq!(left(&through(&headers().inbound(open()), request)), Some(ms(holds)));
    }
    // A task that is known is not that of whoever says so
    let mut request = saying(&[(TASK, "a stranger's")]);
    request.set_task(TaskKey::of("ours"));
    assert_eq!(through(&headers().inbound(open()), request).task(), Some(TaskKey::of("ours")));

    // And what came by another way than headers is held to the same bounds
    let mut request = saying(&[]);
    request.set_criticality(plus);
    request.set_deadline(Deadline::at(Instant::NEVER));
    let request = through(&headers().inbound(Trust::default()), request);
    assert_eq!((request.criticality(), left(&request)), (Some(critical), Some(ms(3_600_000))));
}

#[tokio::test(start_paused = true)]
async fn of_two_ways_to_tell_the_time_the_earlier_holds_and_both_are_written() {
    for (millis, units, expected) in [("100", "1S", 100), ("2000", "1S", 1000), ("x", "1S", 1000), ("100", "1", 100)] {
        let request = saying(&[(MILLIS, millis), ("x-timeout", units)]);
        assert_eq!(left(&through(&doubled().inbound(open()), request)), Some(ms(expected)));
    }
    let mut request = Request::new(());
    request.set_deadline(Deadline::after(ms(1500)));
    let request = through(&doubled().outbound(), request);
    assert_eq!((text(&request, MILLIS), text(&request, "x-timeout")), (Some("1500"), Some("1500000u")));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_says_what_the_context_says() {
    // Given a request with everything, and one with nothing
    let mut request = Request::new(());
    request.set_criticality(Criticality::SheddablePlus);
    request.set_deadline(Deadline::after(Duration::from_micros(250_999)));
    request.set_task(TaskKey::from_bits(0xff));
    request.set_attempt(Attempt::new(3).unwrap());
    let request = through(&headers().outbound(), request);

    // Then it is written, time rounded down
    assert_eq!((text(&request, CLASS), text(&request, MILLIS)), (Some("SHEDDABLE_PLUS"), Some("250")));
    assert_eq!((text(&request, TASK), text(&request, ATTEMPT)), (Some("00000000000000ff"), Some("3")));
    assert_eq!(request.headers().len(), 4);
    assert!(through(&headers().outbound(), Request::new(())).headers().is_empty());

    // And what is not named is not told, nor the number of an attempt that is not this one's
    let some = ContextHeaders::builder().criticality(None).timeout_ms(None).task("X-Whose").build().unwrap();
    let mut quiet = Request::new(());
    quiet.on_behalf_of(&request);
    let quiet = through(&some.outbound(), quiet);
    assert_eq!((text(&quiet, "x-whose"), quiet.headers().len()), (Some("00000000000000ff"), 1));
}

#[tokio::test(start_paused = true)]
async fn the_number_of_an_attempt_is_read_bounded_and_never_lowered() {
    // (what the header says, the attempt of the request before, and behind)
    let cases = [("2", 1, 2), ("2", 3, 3), ("1000000", 1, 16), ("0", 1, 1), ("second", 1, 1), ("-2", 1, 1)];
    for (said, before, behind) in cases {
        let mut request = saying(&[(ATTEMPT, said)]);
        request.set_attempt(Attempt::new(before).unwrap());
        let request = through(&headers().inbound(Trust::default()), request);
        assert_eq!((request.attempt().number(), request.headers().len()), (behind, 0), "{said}");
    }
    // A proxy passes it on; a first attempt is not numbered, and what somebody has written by hand stays
    let proxy = |request| through(&headers().outbound(), through(&headers().inbound(open()), request));
    assert_eq!(text(&proxy(saying(&[(ATTEMPT, "2")])), ATTEMPT), Some("2"));
    assert!(proxy(saying(&[(ATTEMPT, "1")])).headers().is_empty());
    assert_eq!(text(&through(&headers().outbound(), saying(&[(ATTEMPT, "7")])), ATTEMPT), Some("7"));
}

#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn over_grpc_an_attempt_says_how_many_were_before() {
    let (grpc, name) = (ContextHeaders::grpc(), "grpc-previous-rpc-attempts");
    let mut request = Request::new(());
    request.set_attempt(Attempt::new(3).unwrap());
    let request = through(&grpc.outbound(), request);
    assert_eq!((text(&request, name), request.headers().len()), (Some("2"), 1));
    let request = through(&grpc.inbound(Trust::default()), request);
    assert_eq!((request.attempt().number(), request.headers().len()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_header_that_is_there_is_lowered_and_never_raised() {
    // (what the context says, the header that is there, what is sent)
    let classes = [
        (Some("CRITICAL"), "CRITICAL_PLUS", "CRITICAL"),
        (Some("CRITICAL"), "sheddable", "sheddable"),
        (Some("SHEDDABLE"), "unreadable", "SHEDDABLE"),
        // Who says nothing is critical.
        (None, "CRITICAL_PLUS", "CRITICAL"),
        (None, "SHEDDABLE", "SHEDDABLE"),
        (None, "unreadable", "CRITICAL"),
    ];
    for (carried, there, sent) in classes {
        let mut request = saying(&[(CLASS, there)]);
        if let Some(class) = carried {
            request.set_criticality(class.parse().unwrap());
        }
        assert_eq!(text(&through(&headers().outbound(), request), CLASS), Some(sent), "{carried:?} {there}");
    }
    let times = [
        (Some(100), "200", Some("100")),
        (Some(100), "00050", Some("00050")),
        (Some(100), "soon", Some("100")),
        (None, "200", Some("200")),
        (None, "soon", None),
    ];
    for (carried, there, sent) in times {
        let mut request = saying(&[(MILLIS, there)]);
        if let Some(millis) = carried {
            request.set_deadline(Deadline::after(ms(millis)));
        }
        assert_eq!(text(&through(&headers().outbound(), request), MILLIS), sent, "{carried:?} {there}");
    }
    // Two of one name are one afterwards
    let mut request = saying(&[(CLASS, "CRITICAL_PLUS"), (CLASS, "CRITICAL_PLUS"), (TASK, "a"), (TASK, "b")]);
    request.set_criticality(Criticality::Sheddable);
    request.set_task(TaskKey::from_bits(1));
    let request = through(&headers().outbound(), request);
    assert_eq!((text(&request, CLASS), text(&request, TASK)), (Some("SHEDDABLE"), Some("0000000000000001")));

    // The task is the context's; if that has none, it is whatever is there
    let request = through(&headers().outbound(), saying(&[(TASK, "named by hand")]));
    assert_eq!(text(&request, TASK), Some("named by hand"));
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_handler_sets_is_sent_above_its_caller() {
    // Given what a caller is worth
    let mut caller = Carried::default();
    caller.set_criticality(Criticality::SheddablePlus);
    caller.set_deadline(Deadline::after(ms(300)));
    caller.set_task(TaskKey::from_bits(7));

    // When a handler makes a request for it and wants more for it, before or after
    for before in [true, false] {
        let mut outgoing = Request::new(());
        if !before {
            outgoing.on_behalf_of(&caller);
        }
        outgoing.set_criticality(Criticality::CriticalPlus);
        outgoing.extensions_mut().insert(Deadline::at(Instant::NEVER));
        outgoing.set_task(TaskKey::from_bits(8));
        outgoing.headers_mut().insert(MILLIS, HeaderValue::from(99_999));
        outgoing.headers_mut().insert(CLASS, HeaderValue::from_static("CRITICAL_PLUS"));
        if before {
            outgoing.on_behalf_of(&caller);
        }
        // Then it is worth what the caller is, to layers on the way out and on the wire
        assert_eq!(Carried::of(&outgoing), caller, "{before}");
        let sent = through(&headers().outbound(), outgoing);
        assert_eq!((text(&sent, CLASS), text(&sent, MILLIS)), (Some("SHEDDABLE_PLUS"), Some("300")));
        assert_eq!(text(&sent, TASK), Some("0000000000000007"));
    }

    // But less may be wanted
    let mut outgoing = Request::new(());
    outgoing.on_behalf_of(&caller);
    outgoing.set_criticality(Criticality::Sheddable);
    outgoing.set_deadline(Deadline::after(ms(50)));
    let sent = through(&headers().outbound(), outgoing);
    assert_eq!((text(&sent, CLASS), text(&sent, MILLIS)), (Some("SHEDDABLE"), Some("50")));

    // And on behalf of one who says nothing, nothing is above what says nothing
    let mut outgoing = Request::new(());
    outgoing.on_behalf_of(&Carried::default());
    assert_eq!(Carried::of(&outgoing), Carried::default());
    outgoing.set_criticality(Criticality::CriticalPlus);
    assert_eq!(text(&through(&headers().outbound(), outgoing), CLASS), Some("CRITICAL"));
}

#[tokio::test(start_paused = true)]
async fn what_is_done_for_two_callers_is_worth_no_more_than_either() {
    let carried = |class, millis, task| {
        let mut carried = Carried::default();
        carried.set_criticality(class);
        carried.set_deadline(Deadline::after(ms(millis)));
        carried.set_task(TaskKey::from_bits(task));
        carried
    };
    let (one, other) = (carried(Criticality::Critical, 100, 1), carried(Criticality::Sheddable, 200, 2));
    for (first, second) in [(one, other), (other, one)] {
        let mut outgoing = Extensions::new();
        outgoing.on_behalf_of(&first);
        outgoing.on_behalf_of(&second);
        outgoing.set_criticality(Criticality::CriticalPlus);
        outgoing.set_deadline(Deadline::at(Instant::NEVER));
        assert_eq!((outgoing.criticality(), left(&outgoing)), (Some(Criticality::Sheddable), Some(ms(100))));
        assert_eq!(outgoing.task(), second.task());
    }
}

#[tokio::test(start_paused = true)]
async fn defect_144_time_that_is_left_shrinks_over_a_call_tree() {
    // Given three services in a row, each of which works for 30 ms before it asks the next
    let mut request = saying(&[(CLASS, "SHEDDABLE"), (MILLIS, "100"), (TASK, "order 4711")]);
    let mut told = Vec::new();
    for _ in 0..4 {
        let incoming = through(&headers().inbound(Trust::default()), request);
        advance(ms(30)).await;
        let mut outgoing = Request::new(());
        outgoing.on_behalf_of(&incoming);
        request = through(&headers().outbound(), outgoing);
        told.push(text(&request, MILLIS).unwrap().to_owned());

        // Then class and task are the same everywhere
        assert_eq!(text(&request, CLASS), Some("SHEDDABLE"));
        assert_eq!(text(&request, TASK), Some(TaskKey::of("order 4711").to_string().as_str()));
    }
    // And the time is less each time, and in the end up
    assert_eq!(told, ["70", "40", "10", "0"]);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_sends_the_request_on_has_nothing_to_do() {
    let proxy = ServiceBuilder::new()
        .layer(headers().inbound(Trust::default()))
        .layer(headers().outbound())
        .service(service_fn_echo());
    let request = saying(&[(CLASS, "CRITICAL_PLUS"), (MILLIS, "99999999999"), (TASK, "x")]);
    let sent = settled(proxy.oneshot(request)).unwrap();
    assert_eq!((text(&sent, CLASS), text(&sent, MILLIS)), (Some("CRITICAL"), Some("3600000")));
    assert_eq!(text(&sent, TASK), Some(TaskKey::of("x").to_string().as_str()));
}

#[tokio::test(start_paused = true)]
async fn defect_165_work_whose_time_is_up_is_not_begun() {
    // Given a server that keeps to deadlines, and a client that does
    let server = ServiceBuilder::new()
        .layer(headers().inbound(Trust::default()))
        .layer(Timeout::builder("server").deadline().build().unwrap())
        .service(service_fn(|_: Request<()>| ready(Ok::<_, BoxError>(Response::new(())))));
    let why = |error: BoxError| Rejected::find(error.as_ref()).map(Rejected::why);

    // Then a request that comes too late is rejected, and one with time left is not
    let late = server.clone().oneshot(saying(&[(MILLIS, "0")])).await;
    assert_eq!(why(late.unwrap_err()), Some(Why::Expired));
    assert!(server.oneshot(saying(&[(MILLIS, "1")])).await.is_ok());

    // And the layers themselves reject nothing: they say that there is nothing left
    let mut outgoing = Request::new(());
    outgoing.set_deadline(Deadline::after(ms(5)));
    advance(ms(6)).await;
    assert_eq!(text(&through(&headers().outbound(), outgoing), MILLIS), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_told_the_shorter_of_its_own_time_and_what_is_left() {
    let client = ServiceBuilder::new()
        .layer(Timeout::builder("client").attempt(ms(200)).deadline().build().unwrap())
        .layer(headers().outbound())
        .service(service_fn(|request: Request<()>| {
            ready(Ok::<_, BoxError>(request.headers()[MILLIS].to_str().unwrap().to_owned()))
        }));
    for (deadline, told) in [(None, "200"), (Some(1000), "200"), (Some(150), "150")] {
        let mut outgoing = Request::new(());
        if let Some(millis) = deadline {
            outgoing.set_deadline(Deadline::after(ms(millis)));
        }
        assert_eq!(client.clone().oneshot(outgoing).await.unwrap(), told);
    }
}

#[test]
fn names_that_cannot_be_are_refused_by_name() {
    assert_eq!(ContextHeaders::builder().build(), Ok(headers()));
    let builder = ContextHeaders::builder;
    let cases: [(hops::Builder, &str, &str); 10] = [
        (builder().criticality(""), "criticality", "\"\""),
        (builder().task("x request"), "task", "\"x request\""),
        (builder().timeout("grpc\ntimeout"), "timeout", "\"grpc\\ntimeout\""),
        (builder().timeout_ms("Content-Length"), "timeout_ms", "content-length"),
        (builder().task("Host"), "task", "host"),
        (builder().timeout("X-Request-Timeout-MS"), "timeout", "x-request-timeout-ms"),
        (builder().criticality("one").task("ONE"), "task", "one"),
        (builder().criticality("one").task("one").timeout("a b"), "timeout", "\"a b\""),
        (builder().attempt("an attempt"), "attempt", "\"an attempt\""),
        (builder().previous_attempts("X-Request-Attempt"), "previous_attempts", "x-request-attempt"),
    ];
    for (builder, field, value) in cases {
        let invalid = builder.build().unwrap_err();
        assert_eq!((invalid.field(), invalid.value()), (field, value));
    }
    // None at all may be, and then nothing is read or written
    let none = builder().criticality(None).timeout_ms(None).timeout(None).task(None).attempt(None).build().unwrap();
    let mut map = saying(&[(CLASS, "SHEDDABLE"), (ATTEMPT, "2")]).into_parts().0.headers;
    assert_eq!(none.take(&mut map, &open()), Carried::default());
    assert_eq!(map.len(), 2);
}

#[test]
fn a_map_without_room_says_nothing_rather_than_too_much() {
    // Given as many headers as a map may have
    let mut map = HeaderMap::new();
    for number in 0..24_576 {
        map.insert(HeaderName::try_from(format!("x-{number}")).unwrap(), HeaderValue::from_static(""));
    }
    let mut more = 24_576;
    while map.try_insert(HeaderName::try_from(format!("x-{more}")).unwrap(), HeaderValue::from_static("")).is_ok() {
        more += 1;
    }
    // Then writing to it does not panic
    let mut carried = Carried::default();
    carried.set_criticality(Criticality::Sheddable);
    headers().write(&carried, &mut map);
    assert!(!map.contains_key(CLASS));
}

#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn over_grpc_the_time_is_in_eight_digits_and_a_unit() {
    let grpc = ContextHeaders::grpc();
    let (millis, minute) = (ms(1), Duration::from_secs(60));
    let cases =
        [(ms(0), "0n"), (millis, "1000000n"), (ms(100), "100000u"), (minute, "60000000u"), (2 * minute, "120000m")];
    for (duration, written) in cases {
        let mut request = Request::new(());
        request.set_deadline(Deadline::after(duration));
        let request = through(&grpc.outbound(), request);
        assert_eq!((text(&request, "grpc-timeout"), request.headers().len()), (Some(written), 1));
        let read = through(&grpc.inbound(Trust::default()), request);
        assert_eq!((left(&read), read.headers().len()), (Some(duration), 0));
    }
    // Nothing else is read
    for bad in ["", "S", "100", "123456789m", "-1S", "1s", "1 S", "1.5S", "1ms"] {
        assert_eq!(left(&through(&grpc.inbound(Trust::default()), saying(&[("grpc-timeout", bad)]))), None, "{bad:?}");
    }
    // And a timeout that a client was given stays, unless it is longer than what is left
    for (own, sent) in [("99999999H", "50000000n"), ("10m", "10m"), ("ten", "50000000n")] {
        let mut request = saying(&[("grpc-timeout", own)]);
        request.set_deadline(Deadline::after(ms(50)));
        assert_eq!(text(&through(&grpc.outbound(), request), "grpc-timeout"), Some(sent));
    }
}

#[test]
fn a_call_is_spawned_over_boxed_errors_and_needs_nothing_of_its_body() {
    fn sendable<F: Future + Send + 'static>(_: F) {}
    let answer = || service_fn(|_: Request<std::cell::Cell<u8>>| ready(Ok::<_, BoxError>(Response::new(()))));
    let both = ServiceBuilder::new().layer(headers().inbound(open())).layer(headers().outbound());
    let service = both.service(answer());
    sendable(async move { service.oneshot(Request::new(std::cell::Cell::new(0))).await });
}
