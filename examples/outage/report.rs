//! The figures for people and for programs, and whether they are good enough.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::figures::Figures;

/// A line of the table: a figure of both sides, and what is asked of it.
pub(crate) struct Row {
    pub(crate) label: &'static str,
    pub(crate) unprotected: String,
    pub(crate) protected: String,
    pub(crate) bar: Option<Bar>,
}

pub(crate) struct Bar {
    pub(crate) wanted: &'static str,
    pub(crate) passed: bool,
}

pub(crate) fn rows([unprotected, protected]: &[Figures; 2]) -> Vec<Row> {
    let row = |label, figure: fn(&Figures) -> String| Row {
        label,
        unprotected: figure(unprotected),
        protected: figure(protected),
        bar: None,
    };
    let within = |value: Option<f64>, most: f64| value.is_some_and(|value| value <= most);
    vec![
        // An outage that is none proves nothing, so the unprotected side must suffer.
        row("healthy requests lost", |of| format!("{:.2} %", of.healthy_lost_pct)).wanting(
            "<= 0.1 %, while unprotected most",
            protected.healthy_lost_pct <= 0.1 && unprotected.healthy_lost_pct > 50.0,
        ),
        row("healthy requests served, p50", |of| show(of.healthy_p50_ms, 1, "ms")),
        row("healthy requests served, p99", |of| show(of.healthy_p99_ms, 1, "ms")),
        row("calls to the hung service, contained", |of| format!("{:.2} /s", of.sick_calls_per_s))
            .wanting("<= 2 /s", protected.sick_calls_per_s <= 2.0),
        row("its callers answered, p95, contained", |of| show(of.sick_answer_p95_ms, 1, "ms"))
            .wanting("<= 10 ms", within(protected.sick_answer_p95_ms, 10.0)),
        row("  requests for it sent late by, p95", |of| show(of.sent_late_p95_ms, 1, "ms")),
        row("time to contain", |of| show(of.contain_s, 2, "s")).wanting("at all", protected.contain_s.is_some()),
        row("time to recover", |of| show(of.recovery_s, 2, "s")).wanting("<= 2 s", within(protected.recovery_s, 2.0)),
    ]
}

impl Row {
    fn wanting(self, wanted: &'static str, passed: bool) -> Self {
        Self { bar: Some(Bar { wanted, passed }), ..self }
    }
}

pub(crate) fn passed(rows: &[Row]) -> bool {
    rows.iter().filter_map(|row| row.bar.as_ref()).all(|bar| bar.passed)
}

pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = format!("\n{:38}{:>14}{:>14}   wanted\n", "", "unprotected", "protected");
    for row in rows {
        let bar = row.bar.as_ref().map(|bar| format!("{} {}", if bar.passed { "ok" } else { "NO" }, bar.wanted));
        let _ = writeln!(
            table,
            "{:38}{:>14}{:>14}   {}",
            row.label,
            row.unprotected,
            row.protected,
            bar.unwrap_or_default()
        );
    }
    table
}

pub(crate) fn json([unprotected, protected]: &[Figures; 2]) -> Value {
    json!({ "unprotected": side(unprotected), "protected": side(protected) })
}

fn side(figures: &Figures) -> Value {
    json!({
        "healthy_lost_pct": rounded(Some(figures.healthy_lost_pct)),
        "healthy_p50_ms": rounded(figures.healthy_p50_ms),
        "healthy_p99_ms": rounded(figures.healthy_p99_ms),
        "sick_calls_per_s": rounded(Some(figures.sick_calls_per_s)),
        "sick_answer_p95_ms": rounded(figures.sick_answer_p95_ms),
        "contain_s": rounded(figures.contain_s),
        "recovery_s": rounded(figures.recovery_s),
    })
}

/// To three places, towards the worse, so that nothing passes by being rounded.
fn rounded(value: Option<f64>) -> Option<f64> {
    value.map(|value| (value * 1000.0).ceil() / 1000.0)
}

fn show(value: Option<f64>, places: usize, unit: &str) -> String {
    value.map_or_else(|| "never".into(), |value| format!("{value:.places$} {unit}"))
}
