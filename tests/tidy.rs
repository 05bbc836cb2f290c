//! House rules that a compiler does not check.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every Rust file under a folder, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("it is text");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "there are no files in {folder}");
    found
}

/// The lines that are code, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(number, line)| (number + 1, line.trim())).filter(|(_, line)| !line.starts_with("//"))
}

fn assert_nowhere(words: &[&str], except: &str) {
    for (path, text) in sources("src") {
        if !except.is_empty() && path.ends_with(except) {
            continue;
        }
        for (number, line) in code(&text) {
            for word in words {
                assert!(!line.contains(word), "{}:{number}: `{word}` has no place here", path.display());
            }
        }
    }
}

#[test]
fn only_the_clock_reads_clocks() {
    assert_nowhere(&["SystemTime::now", "rustix::", "time::Instant", "Tokio::now"], "kernel/clock.rs");
}

#[test]
fn only_sync_knows_loom() {
    assert_nowhere(&["loom::", "cofferdam_loom"], "kernel/sync.rs");
}

#[test]
fn nothing_is_spawned_or_left_unfinished() {
    assert_nowhere(&["tokio::spawn", "todo!", "unimplemented!", ".unwrap()", "unsafe "], "");
}

#[test]
fn imports_point_one_way() {
    let forbidden: [(&str, &[&str]); 7] = [
        ("src/kernel", &["crate::policy", "crate::flow", "crate::watch", "crate::http", "crate::grpc"]),
        ("src/policy", &["crate::flow", "crate::http", "crate::grpc"]),
        ("src/flow", &["crate::policy", "crate::http", "crate::grpc"]),
        ("src/watch", &["crate::policy", "crate::flow", "crate::http", "crate::grpc"]),
        ("src/http", &["crate::policy", "crate::grpc", "crate::tonic"]),
        ("src/grpc", &["crate::policy", "crate::tonic"]),
        ("src/tonic", &["crate::policy"]),
    ];
    for (folder, words) in forbidden {
        for (path, text) in sources(folder) {
            for (number, line) in code(&text) {
                for word in words {
                    assert!(!line.contains(word), "{}:{number}: imports `{word}`", path.display());
                }
            }
        }
    }
}

#[test]
fn a_source_file_is_a_few_screens() {
    for (path, text) in sources("src") {
        let lines = text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines: which concept in it wants its own name?", path.display());
    }
}

#[test]
fn patterns_name_no_other_pattern() {
    for (folder, others) in [
        ("src/policy/breaker", ["bulkhead::", "Bulkhead", "RateLimit<"]),
        ("src/policy/bulkhead", ["breaker::", "CircuitBreaker", "RateLimit"]),
        ("src/policy/drain", ["breaker::", "CircuitBreaker", "Bulkhead"]),
        ("src/policy/pool", ["breaker::", "CircuitBreaker", "Bulkhead"]),
        ("src/policy/rate", ["breaker::", "CircuitBreaker", "Bulkhead"]),
        ("src/flow/retry", ["fallback::", "timeout::", "hedge::"]),
        ("src/flow/hedge", ["fallback::", "timeout::", "retry::"]),
        ("src/flow/timeout", ["fallback::", "Fallback", "RateLimit"]),
        ("src/flow/fallback", ["timeout::", "Timeout", "RateLimit"]),
    ] {
        for (path, text) in sources(folder) {
            for (number, line) in code(&text) {
                for other in others {
                    assert!(!line.contains(other), "{}:{number}: knows `{other}`", path.display());
                }
            }
        }
    }
}

/// The text of a program of tests, or of a module that its `main.rs` declares.
fn story(place: &str) -> Option<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let read = |file: String| fs::read_to_string(tests.join(file)).ok();
    let Some((program, module)) = place.split_once("::") else {
        return read(format!("{place}.rs")).or_else(|| read(format!("{place}/main.rs")));
    };
    let declaration = format!("mod {module};");
    let declared = read(format!("{program}/main.rs"))?.lines().any(|line| line == declaration);
    let text = read(format!("{program}/{module}.rs")).or_else(|| read(format!("{program}/{module}/mod.rs")));
    text.filter(|_| declared)
}

#[test]
fn defects_are_listed_once_with_tests_that_there_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/DEFECTS.md");
    let list = fs::read_to_string(path).expect("the list is there");
    let mut last = 0;
    for line in list.lines().filter_map(|line| line.strip_prefix("- ")) {
        let (number, property) = line.split_once(". ").expect("a number and a property");
        let number: u32 = number.parse().expect("a number");
        assert!(number > last, "{number} after {last}: each once, in order");
        last = number;
        // Names are between backticks, and nothing else is.
        let names: Vec<_> = property.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty() || property.contains("PENDING: "), "{number}: which test holds it?");
        for name in names {
            let (place, test) = name.rsplit_once("::").expect("a place and a test");
            let text = story(place).unwrap_or_default();
            assert!(text.contains(&format!("fn {test}(")), "{number}: there is no `{name}`");
        }
    }
    assert!(last > 0, "nothing is listed");
}

/// What rustdoc would hide, everybody else shows: whoever copies such a program has one that does not compile.
#[test]
fn programs_in_the_readme_hide_nothing() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(path).expect("there is one");
    let mut programs = 0;
    let mut in_program = false;
    for (number, line) in text.lines().enumerate() {
        match line {
            "```rust" => (in_program, programs) = (true, programs + 1),
            "```" => in_program = false,
            _ => assert!(!(in_program && line.starts_with("# ")), "README.md:{}: `{line}`", number + 1),
        }
    }
    assert!(programs > 0, "there are no programs");
}
