//! What must not compile, and that the compiler then says what to do.
//!
//! The messages are the compiler's and change with it: run with `TRYBUILD=overwrite` after an update, and look at them.
#![allow(missing_docs)]
#![cfg(feature = "http")]

use std::fs;

#[test]
fn what_must_not_compile_says_what_to_do() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
    #[cfg(not(feature = "grpc"))]
    cases.compile_fail("tests/compile_fail_features/without_grpc.rs");
    // The compiler names who would do, `Grpc` among them.
    #[cfg(feature = "grpc")]
    cases.compile_fail("tests/compile_fail_features/between_frames_before_http.rs");
}

/// The message for that program.
fn message(program: &str) -> String {
    message_in("compile_fail", program)
}

fn message_in(folder: &str, program: &str) -> String {
    fs::read_to_string(format!("{}/tests/{folder}/{program}.stderr", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn a_forgotten_http_says_so() {
    for program in ["forgotten_http", "forgotten_http_timeout", "forgotten_http_fallback"] {
        assert!(message(program).contains("add `.http()`"), "{program}");
    }
}

#[test]
fn an_error_without_room_says_what_it_needs() {
    for program in ["error_without_room", "timeout_without_room"] {
        assert!(message(program).contains("implement `cofferdam::Carries`"), "{program}");
        assert!(message(program).contains("`BoxError`"), "{program}");
    }
}

#[test]
fn a_line_needs_a_service_that_is_clone_and_says_so() {
    let message = message("queue_without_clone");
    assert!(message.contains("`Connection: Clone` is not satisfied") && message.contains("`Waiting`"));
    assert_eq!(message.matches("error[").count(), 1, "without a line it need not be");
}

#[test]
fn a_response_of_another_kind_is_to_be_converted_and_an_error_further_in() {
    assert!(message("http_without_responses").contains("convert it further in, with `.map_response(..)`"));
    assert!(message("error_converted_too_late").contains("by `.map_err(BoxError::from)` after this layer"));
}

#[test]
fn what_belongs_to_http_is_said_after_it() {
    assert!(
        message("settings_before_http").contains("the method was found for\n          - `Guard<P, Http<W, C, X, L>>`")
    );
    assert!(
        message_in("compile_fail_features", "between_frames_before_http").contains("say `.http()` or `.grpc()` first")
    );
}

#[test]
fn a_fallback_of_another_body_says_which_it_would_have_to_be() {
    let message = message("fallback_of_another_body");
    assert!(message.contains("expected closure signature `fn(Failed<Response<Body>, Infallible>) -> _`"));
    assert!(
        message.contains("found closure signature `fn(Failed<Response<http_body_util::Full<bytes::Bytes>>, _>) -> _`")
    );
}

#[test]
fn a_client_of_another_body_is_told_which_one_it_is_sent() {
    let message = message("body_not_repeated");
    assert!(
        message.contains("`Service<http::Request<Replay<http_body_util::Full<bytes::Bytes>>>>` is not implemented for")
    );
    assert_eq!(message.matches("error[").count(), 1);
}

#[test]
fn what_words_rejections_is_cloned_and_says_so() {
    let message = message("wording_without_clone");
    assert!(message.contains("`TextsOfEveryLanguage: Clone` is not satisfied") && message.contains("#[derive(Clone)]"));
}

#[test]
fn what_a_feature_brings_names_the_feature() {
    assert!(message_in("compile_fail_features", "without_grpc").contains("gated behind the `grpc` feature"));
}

#[test]
fn what_is_inside_cannot_be_named() {
    let message = message("internals");
    for inside in ["`kernel` is private", "`policy` is private", "`flow` is private"] {
        assert!(message.contains(inside), "{inside}");
    }
}
