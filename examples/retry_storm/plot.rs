//! Good answers and calls over time, of both clients.

use crate::{
    CAPACITY,
    chart::{Plot, per_second},
    load::{Log, Phases},
};

pub(crate) fn plot(logs: [&Log; 2], phases: &Phases) -> String {
    let [plain, contained] = logs.map(|log| {
        let good = log.sent.iter().filter(|(_, good)| *good).map(|(due, _)| *due);
        [per_second(good, phases.end), per_second(log.calls.iter().copied(), phases.end)]
    });
    let plot = Plot {
        legend: ["requests answered well", "calls that came to the server"],
        panels: &[("a loop of four attempts", plain), ("retry, breaker and timeout", contained)],
        troubles: &[(phases.stall, phases.healed, "the server stalls")],
        mark: (CAPACITY, "can be done"),
        end: phases.end,
    };
    plot.draw()
}
