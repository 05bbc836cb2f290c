//! S4: a front end with so many slots and two dependencies, one of which gets into trouble.

use super::{
    super::front::{Around, BEGINS, Front, Seen, Trouble, cells},
    Drawn, Effort, Plot, Table,
    axis::Axis,
    map::{Cell, Grid},
    panels::{Panel, Panels, Pieces},
    table,
};

pub(super) const PLOTS: [Plot; 2] = [
    Plot {
        name: "S4",
        title: "One of two dependencies hangs for thirty seconds",
        says: "Where nothing keeps them apart, the one that hangs takes all 64 slots, and requests for the healthy one are \
               lost; a limit that somebody found keeps them apart and goes on calling the one that hangs; a breaker, here \
               with shares of a pool and without, asks it once a second whether it is back.",
        picture: None,
        draw: hang,
    },
    Plot {
        name: "S4",
        title: "Requests for the healthy dependency that are lost, in all the sixty cells",
        says: "With shares of a pool and a breaker, nothing set, the healthy dependency loses nothing in any cell; half of \
               the slots for each, which somebody found, keeps them apart as well, but loses some where more is asked; \
               with a timeout alone nearly all is lost in a third of the cells.",
        picture: Some("pool"),
        draw: matrix,
    },
];

const AROUND: [(&str, Around); 4] = [
    ("PoolShare, CircuitBreaker", Around::Pool),
    ("a timeout alone", Around::Nothing),
    ("tower's limit of 32 and shed", Around::Tower(32)),
    ("CircuitBreaker", Around::Breaker),
];

fn hang(plot: &Plot, effort: &Effort) -> Drawn {
    let usual = Front::s4(Trouble::Hang, 0);
    let front = effort.of(usual, Front { rate: 5.0, ..usual });
    let run = |around| effort.seeds.clone().map(|seed| Front { seed, ..front }.run(around)).collect::<Vec<_>>();
    let runs = AROUND.map(|(_, around)| run(around));
    let pieces = Pieces { from: 15.0, to: 60.0, each: 1.0 };
    let panel = |title, up, read: fn(&Seen, f64, f64) -> f64| Panel {
        title,
        up,
        values: runs.iter().map(|runs| pieces.mean(runs, read)).collect(),
    };
    let panels = vec![
        panel("Requests for the healthy one that are lost, of 400 a second", room_for(400), |seen, from, to| {
            seen.lost(false, from, to)
        }),
        panel("Calls a second to the one that hangs, of 100 that are asked for", room_for(100), Seen::calls),
    ];
    let ways = AROUND.map(|(name, _)| name).to_vec();
    let shaded = vec![(BEGINS, front.ends(), "one of them hangs")];
    let (across, points) = (Axis::seconds(pieces.from, pieces.to, 5), pieces.middles());
    let svg = Panels { ways, across, points, shaded, panels }.svg(plot);
    let figures = AROUND.iter().map(|(name, around)| {
        let figures = front.worst(*around, effort.seeds.clone());
        let figures = vec![
            ("healthy, lost", figures.a_lost),
            ("hanging, answered within 5 ms", figures.b_at_once),
            ("calls a second once known", figures.calls_once_known),
            ("back after s", figures.b_recovery),
        ];
        (*name, figures)
    });
    Drawn { svg, table: table(figures) }
}

/// From nothing to a quarter more than is usual.
fn room_for(usual: u32) -> Axis {
    Axis::even(&(0..=5).map(|step| f64::from(step * usual / 4)).collect::<Vec<_>>(), "")
}

/// Those that the matrix is drawn of.
const BESIDE: [(&str, Around); 3] = [AROUND[1], AROUND[2], AROUND[0]];

fn matrix(plot: &Plot, effort: &Effort) -> Drawn {
    let brief = |front: Front| effort.of(front, Front { rate: 5.0, lasts: 1.0, ..front });
    let fronts: Vec<_> = cells::matrix().into_iter().take(effort.of(60, 6)).map(brief).collect();
    let is_first_row = |front: &&Front| (front.rate, front.share) == (fronts[0].rate, fronts[0].share);
    let columns: Vec<_> = fronts.iter().filter(is_first_row).map(|front| named(front.trouble)).collect();
    let rows = fronts.chunks(columns.len()).map(|row| format!("{}/s, {} %", row[0].rate, row[0].share * 100.0));
    let rows: Vec<_> = rows.collect();
    let lost = |around| {
        let cell = |front: &Front| Cell(front.worst(around, effort.seeds.clone()).a_lost);
        fronts.chunks(columns.len()).map(|row| row.iter().map(cell).collect()).collect()
    };
    let cells: Vec<(&str, Vec<Vec<Cell>>)> = BESIDE.map(|(name, around)| (name, lost(around))).into();
    let head = ["", "requests, share of the sick one"].map(String::from).into_iter().chain(columns.iter().cloned());
    let each = cells.iter().flat_map(|(name, grid)| {
        grid.iter().zip(&rows).map(|(row, title)| {
            let percents = row.iter().map(|cell| format!("{:.2} %", cell.0 * 100.0));
            [(*name).to_owned(), title.clone()].into_iter().chain(percents).collect()
        })
    });
    let table = Table { head: head.collect(), rows: each.collect() };
    Drawn { svg: Grid { columns: &columns, rows: &rows, cells: &cells }.svg(&plot.about()), table }
}

/// What becomes of the sick one, in the room that a column has.
fn named(trouble: Trouble) -> String {
    match trouble {
        Trouble::Nothing => "well".into(),
        Trouble::Hang => "hang".into(),
        Trouble::Slower(times) => format!("{times} x"),
        Trouble::Fail(_) => "errs".into(),
        Trouble::HangPart(share) => format!("{} % hang", share * 100.0),
    }
}
