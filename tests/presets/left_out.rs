//! Parts that settings leave out.

use cofferdam::presets::{Config, Explanation};

fn parts(explained: &Explanation) -> Vec<&'static str> {
    explained.parts().iter().map(cofferdam::presets::Part::path).collect()
}

#[test]
fn a_setting_leaves_a_part_out_when_the_stack_is_built() {
    let server = |path: &str| cofferdam::http::server("shop").set(path, "off").build().unwrap();
    assert_eq!(parts(&server("drain").explain()), ["context", "shedding", "timeout"]);
    assert_eq!(parts(&server("shedding").explain()), ["context", "drain", "timeout"]);
    assert!(server("shedding").shedding().is_none() && server("drain").drain().is_none());

    let all = ["retry", "budget", "hedge", "breaker", "throttle", "timeout", "context"];
    for part in ["retry", "hedge", "breaker", "throttle"] {
        let client = cofferdam::http::client("payments").set(part, "off").build().unwrap();
        let rest: Vec<_> = all.into_iter().filter(|path| *path != part).collect();
        assert_eq!(parts(&client.explain()), rest, "without {part}");
    }
    let neither = Config::default().set("retry", "no").set("hedge", "false");
    let client = cofferdam::http::client("payments").config(&neither).build().unwrap();
    assert_eq!(parts(&client.explain()), ["breaker", "throttle", "timeout", "context"], "nothing needs the budget");
}

#[test]
fn a_setting_puts_a_part_in_and_the_last_word_holds() {
    let limited = cofferdam::http::client("payments").set("limit", "on").set("limit.max_limit", "7").build().unwrap();
    assert_eq!(limited.limit().unwrap().limit(), 7);
    let back = cofferdam::http::client("payments").breaker(None).without_retry();
    let back = back.set("breaker", "on").set("retry", "yes").build().unwrap();
    assert!(back.breaker().is_some() && back.retry().is_some());

    let ours = cofferdam::CircuitBreaker::builder("ours").build().unwrap();
    let kept = cofferdam::http::client("payments").breaker(ours).set("breaker", "off").set("breaker", "on");
    assert_eq!(kept.build().unwrap().breaker().unwrap().name().as_str(), "ours", "only the last word counts");
    let gone = cofferdam::http::client("payments").set("hedge", "on").set("hedge", "off").build().unwrap();
    assert!(gone.hedge().is_none());
}

#[test]
fn a_part_stays_in_or_out_while_the_stack_runs() {
    let file = Config::default().set("hedge", "off").set("breaker", "on").set("breaker.open_time", "2s");
    let client = cofferdam::http::client("payments").config(&file).build().unwrap();
    client.apply(&file).unwrap();
    let before = client.explain().to_string();
    let changed = Config::default().set("breaker.open_time", "3s").set("breaker", "off");
    assert_eq!(
        client.apply(&changed).unwrap_err().to_string(),
        "`breaker` cannot be off: it must be on, as a part is left out only when the stack is built"
    );
    assert_eq!(
        client.set("hedge", "on").unwrap_err().to_string(),
        "`hedge` cannot be on: it must be off, as a part comes in only when the stack is built"
    );
    assert_eq!(client.explain().to_string(), before);

    let server = cofferdam::http::server("shop").set("drain", "off").build().unwrap();
    server.set("drain", "off").unwrap();
    server.set("shedding", "on").unwrap();
    assert!(server.set("shedding", "off").unwrap_err().to_string().contains("only when the stack is built"));
    assert!(server.set("drain.grace", "1s").unwrap_err().to_string().contains("of a part that is not left out"));
}

#[test]
fn what_is_in_every_stack_cannot_be_left_out() {
    let of_server = |part: &str, value: &str| {
        let built = cofferdam::http::server("shop").set(part, value).build();
        built.map(drop).map_err(|invalid| invalid.to_string())
    };
    for part in ["context", "timeout"] {
        assert_eq!(
            of_server(part, "off").unwrap_err(),
            format!("`{part}` cannot be off: it must be on, as it is never left out by itself")
        );
        of_server(part, "on").unwrap();
    }
    assert!(of_server("colour", "off").unwrap_err().contains("one of `drain`, `context`, `shedding` and `timeout`"));
    assert!(of_server("drain", "5s").unwrap_err().contains("or a part that is `on` or `off`"));
    let without_budget = cofferdam::http::client("payments").set("budget", "off").build();
    assert_eq!(without_budget.map(drop).unwrap_err().path(), "budget");
}

#[cfg(feature = "serde")]
#[test]
fn a_file_leaves_parts_out() {
    let text = r#"{"hedge": false, "throttle": "off", "limit": true, "breaker": {"open_time": "2s"}}"#;
    let config: Config = serde_json::from_str(text).unwrap();
    let client = cofferdam::http::client("payments").config(&config).build().unwrap();
    assert_eq!(parts(&client.explain()), ["retry", "budget", "breaker", "limit", "timeout", "context"]);
    client.apply(&config).unwrap();
    let error = serde_json::from_str::<Config>(r#"{"hedge": 3}"#).unwrap_err().to_string();
    assert!(error.contains("a table of the settings of `hedge`, or whether it is there"), "{error}");
    let many: Vec<String> = (0..257).map(|number| format!(r#""{number}": false"#)).collect();
    let many = format!("{{{}}}", many.join(","));
    assert!(serde_json::from_str::<Config>(&many).unwrap_err().to_string().contains("more than 256"));
}
