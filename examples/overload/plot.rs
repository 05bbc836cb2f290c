//! Good answers over time, of both servers.

use std::{fmt::Write, time::Duration};

use crate::{
    CAPACITY,
    load::{Log, Phases},
};

const BUCKET: Duration = Duration::from_millis(500);
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
/// The classes, and how their areas look, from the bottom up.
const CLASSES: [(&str, &str); 3] =
    [("matters most", "#0b3c5d"), ("matters less", "#328cc1"), ("may be shed", "#a9d0e8")];

pub(crate) fn plot(logs: [&Log; 2], phases: &Phases) -> String {
    let height = TOP + 2.0 * (HEIGHT + 70.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        LEFT + WIDTH + 20.0
    );
    for (index, (name, log)) in ["unprotected", "protected"].into_iter().zip(logs).enumerate() {
        let top = TOP + index as f64 * (HEIGHT + 70.0);
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{}\" font-size=\"16\">{name}: answers in time, a second</text>",
            top - 14.0
        );
        chart(&mut svg, log, phases, top);
    }
    for (index, (label, colour)) in CLASSES.iter().enumerate() {
        let x = LEFT + 330.0 + index as f64 * 130.0;
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"12\" width=\"14\" height=\"14\" fill=\"{colour}\"/><text x=\"{}\" y=\"24\">{label}</text>",
            x + 20.0
        );
    }
    svg + "</svg>\n"
}

fn chart(svg: &mut String, log: &Log, phases: &Phases, top: f64) {
    let scale = HEIGHT / (1.25 * CAPACITY);
    let seconds = WIDTH / phases.end.as_secs_f64();
    let bottom = top + HEIGHT;
    let count = (phases.end.as_secs_f64() / BUCKET.as_secs_f64()).ceil() as usize;
    let (from, width) =
        (LEFT + phases.overload.as_secs_f64() * seconds, (phases.calm - phases.overload).as_secs_f64() * seconds);
    let _ = writeln!(svg, "<rect x=\"{from}\" y=\"{top}\" width=\"{width}\" height=\"{HEIGHT}\" fill=\"#f3e9dc\"/>");
    for bucket in 0..count {
        let mut base = bottom;
        for (class, (_, colour)) in CLASSES.iter().enumerate() {
            let within = |at: Duration| (at.as_secs_f64() / BUCKET.as_secs_f64()) as usize == bucket;
            let good = log.0.iter().filter(|sent| sent.good && sent.class == class && within(sent.at)).count();
            let height = good as f64 / BUCKET.as_secs_f64() * scale;
            base -= height;
            let x = LEFT + bucket as f64 * BUCKET.as_secs_f64() * seconds;
            let width = BUCKET.as_secs_f64() * seconds - 1.0;
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{base:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
            );
        }
    }
    let line = bottom - CAPACITY * scale;
    let _ = writeln!(
        svg,
        "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{line}\" y2=\"{line}\" stroke=\"#a30000\" stroke-dasharray=\"5 4\"/>",
        LEFT + WIDTH
    );
    let _ =
        writeln!(svg, "<text x=\"4\" y=\"{}\">{CAPACITY:.0}</text><text x=\"4\" y=\"{bottom}\">0</text>", line + 4.0);
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\">three times the load</text>", from + 6.0, top + 16.0);
    for second in (0..=phases.end.as_secs()).step_by(if phases.end.as_secs() > 10 { 5 } else { 1 }) {
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\">{second} s</text>",
            LEFT + second as f64 * seconds - 6.0,
            bottom + 18.0
        );
    }
}
