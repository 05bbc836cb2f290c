//! The report: one HTML file that needs nothing else.

use std::fmt::Write;

use crate::report::Row;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:1120px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}table{border-collapse:collapse;margin:1.5rem 0}
th,td{padding:.35rem .9rem;border-bottom:1px solid #ccc;text-align:right}
th:first-child,td:first-child,th:last-child,td:last-child{text-align:left}
.ok{color:#00663d}.no{color:#a30000;font-weight:bold}svg{width:100%;height:auto}
svg text{font:12px system-ui,sans-serif;fill:#1a1a1a}svg .title{font-weight:600;font-size:16px}svg .strong{font-weight:600}";

const LEAD: &str = "\
Two front ends with the same few slots lived through the same outage under the same load. Healthy requests need only \
<code>catalog</code>, which was well all the time; <code>payments</code> hung, then was slow, then erred, and healed. \
The protected front end calls both services through a circuit breaker, a bulkhead and a timeout; nothing else differs.";

pub(crate) fn page(rows: &[Row], plot: &str, passed: bool) -> String {
    let (class, verdict) = if passed { ("ok", "The outage was contained.") } else { ("no", "It was not contained.") };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>An outage, contained or not</title>\
         <style>{STYLE}</style></head>\n<body><h1>An outage, contained or not</h1>\n<p>{LEAD}</p>\n\
         <p class=\"{class}\">{verdict}</p>\n{}\n{plot}\n<p>{NOTES}</p></body></html>\n",
        table(rows)
    )
}

const NOTES: &str = "\
A request is lost when it is not answered with success within two seconds of the moment it was due. \
&ldquo;Contained&rdquo; is the part of the hang from when on hardly any healthy request is lost and only probes reach \
<code>payments</code>, as it was on the protected side; both sides are measured over it. It has recovered when 95&nbsp;% \
of the requests for <code>payments</code> within half a second are served again.";

fn table(rows: &[Row]) -> String {
    let mut table = String::from("<table><tr><th></th><th>unprotected</th><th>protected</th><th>wanted</th></tr>\n");
    for row in rows {
        let bar = row.bar.as_ref().map(|bar| {
            let (class, mark) = if bar.passed { ("ok", "&#10003;") } else { ("no", "&#10007;") };
            format!("<span class=\"{class}\">{mark} {}</span>", bar.wanted.replace('<', "&lt;"))
        });
        let _ = writeln!(
            table,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            row.label,
            row.unprotected,
            row.protected,
            bar.unwrap_or_default()
        );
    }
    table + "</table>"
}
