//! What is written to headers.

use super::*;

/// Both ways of telling the time at once.
fn doubled() -> ContextHeaders {
    ContextHeaders::builder().timeout("x-timeout").build().unwrap()
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
