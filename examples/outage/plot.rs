//! The timeline as a plot: a column for each side, the same scales in both.

use std::{fmt::Write, time::Duration};

use crate::{
    log::{Kind, Log, percentile},
    scenario::{Fault, Stretch, Timeline},
};

const BUCKET: Duration = Duration::from_millis(500);

/// The size of a chart, and where the charts stand.
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 56.0;
const TOP: f64 = 66.0;
const COLUMN: f64 = WIDTH + 76.0;
const ROW: f64 = HEIGHT + 70.0;

/// A value per bucket; none where there is nothing to tell.
type Values = Vec<Option<f64>>;

struct Series {
    label: &'static str,
    /// Lines differ in dashes as well as in colour, for those who cannot tell the colours apart.
    style: &'static str,
    values: [Values; 2],
}

struct Chart {
    title: &'static str,
    series: Vec<Series>,
}

const GOOD: &str = "stroke=\"#0060a8\"";
const BAD: &str = "stroke=\"#c04a00\" stroke-dasharray=\"6 3\"";

pub(crate) fn plot(logs: [&Log; 2], timeline: &Timeline) -> String {
    let charts = charts(logs, timeline);
    let (width, height) = (LEFT + COLUMN + WIDTH + 16.0, TOP + ROW * charts.len() as f64 - ROW + HEIGHT + 24.0);
    let mut svg = format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"the timeline\">\n");
    for (column, name) in ["unprotected", "protected"].into_iter().enumerate() {
        let x = LEFT + COLUMN * column as f64;
        let _ = writeln!(svg, "<text class=\"title\" x=\"{x}\" y=\"18\">{name}</text>");
        for (row, chart) in charts.iter().enumerate() {
            let y = TOP + ROW * row as f64;
            let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
            draw(&mut svg, chart, column, timeline);
            svg += "</g>\n";
        }
    }
    svg + "</svg>"
}

fn charts(logs: [&Log; 2], timeline: &Timeline) -> Vec<Chart> {
    let series = |label, style, value: &dyn Fn(&Log, &Stretch) -> Option<f64>| {
        let values = logs.map(|log| buckets(timeline).map(|bucket| value(log, &bucket)).collect());
        Series { label, style, values }
    };
    let rate = |kind, served| {
        move |log: &Log, bucket: &Stretch| {
            Some(log.due(kind, bucket).filter(|sent| sent.served == served).count() as f64 / BUCKET.as_secs_f64())
        }
    };
    let latency = |log: &Log, bucket: &Stretch| {
        let served = log.due(Kind::Healthy, bucket).filter(|sent| sent.served);
        percentile(served.map(|sent| sent.took), 0.99)
    };
    let calls = |log: &Log, bucket: &Stretch| Some(log.calls(bucket) as f64 / BUCKET.as_secs_f64());
    vec![
        Chart {
            title: "healthy requests per second",
            series: vec![
                series("served", GOOD, &rate(Kind::Healthy, true)),
                series("lost", BAD, &rate(Kind::Healthy, false)),
            ],
        },
        Chart { title: "healthy requests: milliseconds, p99", series: vec![series("of those served", GOOD, &latency)] },
        Chart {
            title: "payments: per second",
            series: vec![
                series("requests served", GOOD, &rate(Kind::Sick, true)),
                series("calls that reached it", BAD, &calls),
            ],
        },
    ]
}

/// The whole run, but for what is left at its end.
fn buckets(timeline: &Timeline) -> impl Iterator<Item = Stretch> {
    let Stretch { start, end } = timeline.whole();
    (0..)
        .map(move |bucket| start.after(BUCKET * bucket)..start.after(BUCKET * (bucket + 1)))
        .take_while(move |bucket| bucket.end <= end)
}

fn draw(svg: &mut String, chart: &Chart, column: usize, timeline: &Timeline) {
    let length = timeline.whole().end.since(timeline.start()).as_secs_f64();
    let scale = Scale::of(chart);
    phases(svg, timeline, length);
    axes(svg, &scale, length);
    legend(svg, chart);
    for series in &chart.series {
        let path = path(&series.values[column], &scale, length);
        let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke-width=\"1.8\" {}/>", series.style);
    }
}

/// The vertical axis of a chart, on either side: from zero by steps of a round number.
struct Scale {
    step: f64,
    top: f64,
}

impl Scale {
    fn of(chart: &Chart) -> Self {
        let values = chart.series.iter().flat_map(|series| series.values.iter().flatten().flatten());
        let most = values.copied().fold(1.0, f64::max);
        let power = 10_f64.powf((most / 4.0).log10().floor());
        let step = power * [1.0, 2.0, 5.0].into_iter().find(|round| most / 4.0 <= round * power).unwrap_or(10.0);
        Self { step, top: (most / step).ceil() * step }
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT * (1.0 - value / self.top)
    }
}

fn phases(svg: &mut String, timeline: &Timeline, length: f64) {
    for (phase, stretch) in timeline.phases() {
        let from = WIDTH * stretch.start.since(timeline.start()).as_secs_f64() / length;
        let width = WIDTH * stretch.end.since(stretch.start).as_secs_f64() / length;
        let shade = match phase.fault() {
            Fault::Healthy => "#fff",
            Fault::Hang => "#f3d9d9",
            Fault::Slow => "#f7ecd0",
            Fault::Errs => "#e6dcef",
        };
        let middle = from + width / 2.0;
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" fill=\"{shade}\"/>\
             <text x=\"{middle:.1}\" y=\"-4\" text-anchor=\"middle\">{}</text>",
            phase.name()
        );
    }
}

fn axes(svg: &mut String, scale: &Scale, length: f64) {
    let mut value = 0.0;
    while value <= scale.top {
        let y = scale.y(value);
        let _ = writeln!(
            svg,
            "<path d=\"M0 {y:.1}H{WIDTH}\" stroke=\"#0003\"/>\
             <text x=\"-6\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            y + 4.0
        );
        value += scale.step;
    }
    let step = if length > 25.0 { 5 } else { 2 };
    for second in (0..=length as u32).step_by(step) {
        let (x, y) = (WIDTH * f64::from(second) / length, HEIGHT + 16.0);
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{second} s</text>");
    }
}

/// The room in a legend for a line, and for a letter.
const LINE: f64 = 40.0;
const LETTER: f64 = 5.9;

/// Above the chart: what it shows, and how its lines are told apart.
fn legend(svg: &mut String, chart: &Chart) {
    let _ = writeln!(svg, "<text class=\"strong\" x=\"0\" y=\"-22\">{}</text>", chart.title);
    let mut x = WIDTH;
    for series in chart.series.iter().rev() {
        x -= LINE + LETTER * series.label.len() as f64;
        let _ = writeln!(
            svg,
            "<path d=\"M{x} -26h24\" stroke-width=\"2\" {}/><text x=\"{}\" y=\"-22\">{}</text>",
            series.style,
            x + LINE - 10.0,
            series.label
        );
    }
}

/// A line through the middles of the buckets, broken where there is no value.
fn path(values: &Values, scale: &Scale, length: f64) -> String {
    let mut path = String::new();
    let mut pen = 'M';
    for (bucket, value) in values.iter().enumerate() {
        let Some(value) = value else {
            pen = 'M';
            continue;
        };
        let x = WIDTH * (bucket as f64 + 0.5) * BUCKET.as_secs_f64() / length;
        let _ = write!(path, "{pen}{x:.1} {:.1}", scale.y(*value));
        pen = 'L';
    }
    path
}
