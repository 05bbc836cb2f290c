//! One page of all the pictures that needs nothing else.

use std::fmt::Write;

use super::{Drawn, Effort, Plot, Table, chart::escaped};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:900px;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:3rem}a{color:#0060a8}svg{width:100%;height:auto}\
.figures{overflow-x:auto}table{border-collapse:collapse;margin:1rem 0;font-size:14px}\
th,td{padding:.25rem .7rem;border-bottom:1px solid #8886;text-align:right}\
th:first-child,td:first-child{text-align:left}code{font-size:14px}\
@media (prefers-color-scheme:dark){body{color:#e6e6e6;background:#14171a}a{color:#58b4f5}}";

const LEAD: &str = "\
Each picture is of an experiment in virtual time: the same callers and the same dependency, with different things between \
them. Callers come at random and do not wait for each other; what counts is a good answer in time, as they see it. To what \
is this crate's own nothing is said but what each request carries. Lines over time are the mean of the seeds; all other \
lines, and the figures below a picture, are the worst of them.";

/// How one is made again.
fn command(name: &str, effort: &Effort) -> String {
    let seeds = &effort.seeds;
    format!("cargo bench --bench efficacy --features test-util -- report {name} {}..{}", seeds.start, seeds.end)
}

/// The page of these pictures.
pub fn page(drawn: &[(Plot, Drawn)], effort: &Effort) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
         <meta name=\"viewport\" content=\"width=device-width\"/><title>Does it contain?</title>\
         <style>{STYLE}</style></head>\n<body>\n<h1>Does it contain?</h1>\n<p>{LEAD}</p>\n<ul>\n"
    );
    for (index, (plot, _)) in drawn.iter().enumerate() {
        let _ = writeln!(page, "<li><a href=\"#plot{index}\">{}: {}</a></li>", plot.name, escaped(plot.title));
    }
    page += "</ul>\n";
    for (index, (plot, Drawn { svg, table })) in drawn.iter().enumerate() {
        let _ = writeln!(
            page,
            "<section id=\"plot{index}\"><h2>{}: {}</h2>\n<p>{}</p>\n{svg}<details><summary>The figures</summary>\n\
             <div class=\"figures\">{}</div></details>\n<p>Seeds {} to {}: <code>{}</code></p></section>",
            plot.name,
            escaped(plot.title),
            escaped(plot.says),
            rows(table),
            effort.seeds.start,
            effort.seeds.end.saturating_sub(1),
            command(plot.name, effort)
        );
    }
    page + "</body></html>\n"
}

fn rows(table: &Table) -> String {
    let row = |cells: &[String], kind: &str| {
        let cells: String = cells.iter().map(|cell| format!("<{kind}>{}</{kind}>", escaped(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = table.rows.iter().map(|cells| row(cells, "td")).collect();
    format!("<table>\n{}{rows}</table>", row(&table.head, "th"))
}
