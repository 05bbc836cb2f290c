//! More work than can be done.

use super::{
    super::{
        Ran, Stack,
        scenarios::{self, Scenario},
    },
    Drawn, Effort, Plot,
    axis::Axis,
    panels::{Panel, Panels, Pieces},
    table,
};

pub(super) const PLOTS: [Plot; 5] = [
    Plot {
        name: "S1",
        title: "More work than can be done",
        says: "With nothing, hardly an answer comes in time once more is asked than can be done; tower's limit, set by \
               who knows the best, keeps the server busy and gives all the same chance; LoadShed, to which nothing was \
               said, keeps it as busy and serves nearly all that matters most.",
        picture: Some("overload"),
        draw: steady,
    },
    Plot {
        name: "S1-step",
        title: "Three times what can be done, from one moment to the next",
        says: "Behind LoadShed as much is done in time as the server can do, from the first half second of the peak on, \
               and what matters most hardly notices it; with nothing it is all late.",
        picture: None,
        draw: |plot, effort| over_time(plot, effort, &STEP),
    },
    Plot {
        name: "S1b",
        title: "An eighth of the capacity, for twenty seconds",
        says: "Behind LoadShed the server uses what is left of it and most of that goes to what matters most; a limit \
               that was right before is eight times too high now, and nothing is in time.",
        picture: None,
        draw: |plot, effort| over_time(plot, effort, &DIP),
    },
    Plot {
        name: "S1c",
        title: "Tasks of several calls, all of which are needed, at twice the capacity",
        says: "LoadShed decides alike on all calls of a task, so that as many tasks are done whole as can be; a limit \
               decides on each call by itself, and the more of them are needed, the fewer tasks are whole.",
        picture: None,
        draw: tasks,
    },
    Plot {
        name: "stall",
        title: "Sixteen clients after ten seconds without an answer, where rejecting costs a tenth of a call",
        says: "With an AdaptiveThrottle in each client and LoadShed at the server all is well again in the second second \
               after the stall.",
        picture: None,
        draw: |plot, effort| over_time(plot, effort, &STALL),
    },
];

const STACKS: [(&str, Stack); 3] = [
    ("LoadShed, nothing set", Stack::Shed),
    ("nothing", Stack::Nothing),
    ("tower's limit of 32, found by a sweep", Stack::TowerLimit),
];

/// The figure of that name, at each of these scenarios and of each stack.
fn values(scenarios: &[Scenario], effort: &Effort, name: &str) -> Vec<Vec<f64>> {
    let figure = |scenario: &Scenario, stack| {
        let figures = scenario.worst(stack, effort.seeds.clone());
        figures.into_iter().find(|(each, _)| *each == name).expect("the scenario has that figure").1
    };
    STACKS.map(|(_, stack)| scenarios.iter().map(|scenario| figure(scenario, stack)).collect()).to_vec()
}

fn share() -> Axis {
    Axis::even(&[0.0, 0.25, 0.5, 0.75, 1.0], "")
}

fn ways() -> Vec<&'static str> {
    STACKS.map(|(name, _)| name).to_vec()
}

fn steady(plot: &Plot, effort: &Effort) -> Drawn {
    let points = vec![0.5, 0.9, 1.2, 2.0, 4.0];
    let all = scenarios::steady_overload().into_iter().filter(|scenario| scenario.name.starts_with("S1 lognormal"));
    let all: Vec<_> = all.map(|scenario| scenario.within(effort.longest())).collect();
    assert_eq!(all.len(), points.len());
    let panel = |title, name| Panel { title, up: share(), values: values(&all, effort, name) };
    let panels = vec![
        panel("Answers in time, as a share of those that can be; by what is asked", "goodput"),
        panel("The same of what matters most, as a share of what is asked", "P0"),
    ];
    let across = Axis::log(&points, " x");
    Panels { ways: ways(), across, points, shaded: Vec::new(), panels }.draw(plot)
}

fn tasks(plot: &Plot, effort: &Effort) -> Drawn {
    let all: Vec<_> = scenarios::tasks().into_iter().map(|scenario| scenario.within(effort.longest())).collect();
    let points: Vec<_> = (1..=all.len()).map(|calls| calls as f64).collect();
    let title = "Tasks that are done whole, as a share of those that can be; by calls in a task";
    let panels = vec![Panel { title, up: share(), values: values(&all, effort, "whole tasks") }];
    Panels { ways: ways(), across: Axis::even(&points, ""), points, shaded: Vec::new(), panels }.draw(plot)
}

/// One of the scenarios in which something changes.
struct Change {
    name: &'static str,
    /// What is the crate's own in it.
    own: (&'static str, Stack),
    from: f64,
    to: f64,
    trouble: (f64, f64, &'static str),
}

const STEP: Change = Change {
    name: "S1-step",
    own: STACKS[0],
    from: 15.0,
    to: 45.0,
    trouble: (20.0, 40.0, "three times what can be done is asked"),
};
const DIP: Change =
    Change { name: "S1b", own: STACKS[0], from: 15.0, to: 50.0, trouble: (20.0, 40.0, "an eighth of the capacity") };
const STALL: Change = Change {
    name: "stall, 16 at 0.1",
    own: ("LoadShed, and AdaptiveThrottle at the clients", Stack::Throttled),
    from: 10.0,
    to: 35.0,
    trouble: (15.0, 25.0, "the server answers nothing"),
};

fn over_time(plot: &Plot, effort: &Effort, change: &Change) -> Drawn {
    let mut all = scenarios::changes().into_iter().chain(scenarios::many_clients());
    let scenario = all.find(|scenario| scenario.name == change.name).expect("there is a scenario of that name");
    let scenario = scenario.within(effort.longest());
    let stacks = [change.own, STACKS[1], STACKS[2]];
    let runs = stacks.map(|(_, stack)| scenario.runs(stack, effort.seeds.clone()));
    let pieces = Pieces { from: change.from, to: change.to, each: 0.25 };
    let panel = |title, up, read: fn(&Ran, f64, f64) -> f64| Panel {
        title,
        up,
        values: runs.iter().map(|runs| pieces.mean(runs, read)).collect(),
    };
    let with_room = Axis::even(&[0.0, 0.25, 0.5, 0.75, 1.0, 1.25], "");
    let panels = vec![
        panel(
            "Answers in time, as a share of what can be done when all is well",
            with_room,
            |(report, _), from, to| report.goodput(from, to),
        ),
        panel("The same of what matters most, as a share of what is asked", share(), |(report, _), from, to| {
            report.success(Some(0), from, to)
        }),
    ];
    let ways = stacks.map(|(name, _)| name).to_vec();
    let (across, points) = (Axis::seconds(change.from, change.to, 5), pieces.middles());
    let svg = Panels { ways, across, points, shaded: vec![change.trouble], panels }.svg(plot);
    let figures = stacks.iter().zip(&runs).map(|((name, _), runs)| (*name, scenario.worst_of(runs)));
    Drawn { svg, table: table(figures) }
}
