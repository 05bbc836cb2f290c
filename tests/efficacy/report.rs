//! Whatever came of the experiments, it can be drawn.

use crate::lab::plots::{self, Effort, page};

/// Runs so short that nothing is to be seen.
const BRIEF: Effort = Effort { seeds: 0..1, is_brief: true };

#[test]
fn every_scenario_is_drawn_on_one_page_that_is_well_formed() {
    let drawn: Vec<_> =
        plots::all().into_iter().map(|plot| (plot.draw(&BRIEF), plot)).map(|(it, plot)| (plot, it)).collect();
    for name in ["S1", "S1-step", "S1b", "S1c", "S2", "S2b", "S3", "S3c", "S4", "S5", "S6", "S6b"] {
        assert!(drawn.iter().any(|(plot, _)| plot.name == name), "there is no picture of {name}");
    }
    for (plot, picture) in &drawn {
        let text = &picture.svg;
        assert_well_formed(text);
        assert!(text.contains("<title>") && text.contains("<desc>"), "{} is not told in words", plot.name);
        assert!(!text.contains("NaN") && !text.contains("inf"), "{} has something nowhere", plot.name);
        let table = &picture.table;
        assert!(!table.rows.is_empty(), "{} has no figures", plot.name);
        assert!(table.rows.iter().all(|row| row.len() == table.head.len()), "{}: {:?}", plot.name, table.head);
    }
    let page = page::page(&drawn, &BRIEF);
    assert_well_formed(page.strip_prefix("<!DOCTYPE html>").expect("it is a page"));
    assert_eq!(page.matches("<svg ").count(), drawn.len());
    assert!(
        !page.contains("src=") && !page.contains("@import") && !page.contains("<script"),
        "it needs something else"
    );
}

/// Tags are closed in the order they were opened, attributes are quoted, and entities are some of the known.
fn assert_well_formed(text: &str) {
    let mut open = Vec::new();
    let mut parts = text.split('<');
    assert_eq!(parts.next().map(str::trim), Some(""), "there is text before the first tag");
    for part in parts {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("`<{part}` has no end"));
        assert!(!text.contains('>'), "`{text}` has an end without a beginning");
        assert!(open.len() != 1 || !tag.starts_with('/') || text.trim().is_empty(), "there is text after the last tag");
        let known = ["amp;", "lt;", "gt;", "quot;"];
        let is_known = |entity: &str| known.iter().any(|known| entity.starts_with(known));
        assert!(text.split('&').skip(1).all(is_known), "`{text}` has an entity that is unknown");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "`{name}` is closed where it was not open");
            continue;
        }
        let (name, attributes) = tag.trim_end_matches('/').split_once(' ').unwrap_or((tag.trim_end_matches('/'), ""));
        let quoted: Vec<_> = attributes.split('"').collect();
        assert!(
            quoted.len() % 2 == 1
                && quoted.iter().step_by(2).all(|between| {
                    let between = between.trim();
                    between.is_empty() || between.ends_with('=') && !between.contains(' ')
                }),
            "`{tag}` has an attribute that is not quoted"
        );
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
}

#[test]
#[should_panic(expected = "is closed where it was not open")]
fn what_is_not_well_formed_is_noticed() {
    assert_well_formed("<svg><text>1 <b></text></b></svg>");
}
