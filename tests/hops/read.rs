//! What is read of headers, and believed.

use super::*;

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
async fn among_many_headers_what_a_request_says_is_found_wherever_it_stands() {
    // As long as one of ours, each; and more than anybody looks through.
    for others in [0, 3, 31, 32, 33, 200] {
        for place in [0, others / 2, others] {
            let mut request = Request::new(());
            for other in 0..others {
                if other == place {
                    request.headers_mut().insert(MILLIS, HeaderValue::from_static("250"));
                }
                let name = HeaderName::try_from(format!("x-request-other-{other:04}")).unwrap();
                request.headers_mut().insert(name, HeaderValue::from_static("stays"));
            }
            request.headers_mut().insert(MILLIS, HeaderValue::from_static("250"));
            let request = through(&headers().inbound(open()), request);
            assert_eq!(left(&request), Some(ms(250)), "{others} others, at {place}");
            assert_eq!(request.headers().len(), others);
        }
    }
    // And a name as long as ours is not ours
    let request = inbound(open(), &[("x-request-critical-to", "sheddable")]);
    assert_eq!((request.criticality(), request.headers().len()), (None, 1));
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
