//! Which experiments there are.

use super::{Front, Trouble};

impl Front {
    /// What it is called in tables.
    pub fn name(&self) -> String {
        let trouble = match self.trouble {
            Trouble::Nothing => "well".to_owned(),
            Trouble::Hang => "hang".to_owned(),
            Trouble::Slower(times) => format!("{times}x"),
            Trouble::Fail(share) => format!("{} % fail", share * 100.0),
            Trouble::HangPart(share) => format!("{} % hang", share * 100.0),
        };
        format!("S4 {}/s {} % {trouble}", self.rate, self.share * 100.0)
    }
}

/// All the matrix: requests a second, the part of B, and what becomes of it.
pub fn matrix() -> Vec<Front> {
    let troubles = [4.0, 10.0, 25.0, 50.0].map(Trouble::Slower);
    let troubles = [Trouble::Hang].into_iter().chain(troubles).chain([Trouble::Fail(0.5)]);
    let loads = [25.0, 100.0, 500.0, 1000.0, 1500.0].into_iter().flat_map(|rate| [0.2, 0.5].map(|share| (rate, share)));
    let cells = loads.flat_map(|load| troubles.clone().map(move |trouble| (load, trouble)));
    cells.map(|((rate, share), trouble)| Front { rate, share, ..Front::s4(trouble, 0) }).collect()
}

/// Besides these: busy pools, small slowdowns, surges, other sizes, and what stays slow for ever.
pub fn others() -> Vec<(&'static str, Front)> {
    let at = |rate, trouble| Front { rate, share: 0.5, ..Front::s4(trouble, 0) };
    let well = |rate| at(rate, Trouble::Nothing);
    let mut all = vec![
        ("pool at 93 %", well(2976.0)),
        ("pool at 98 %", well(3136.0)),
        ("B at 93 %", Front { workers: [None, Some(10)], ..well(930.0) }),
        ("A, B at 93 %", Front { workers: [Some(10); 2], ..well(930.0) }),
        ("B at 98 %", Front { workers: [None, Some(10)], ..well(980.0) }),
        ("A at 93 %", Front { workers: [Some(10), None], ..at(930.0, Trouble::Slower(25.0)) }),
        ("small", at(2250.0, Trouble::Slower(2.0))),
        ("small", at(2500.0, Trouble::Slower(1.8))),
        ("A x4 at 30 s", Front { surge: 4.0, ..at(600.0, Trouble::Hang) }),
        ("A x4 at 30 s", Front { surge: 4.0, ..at(600.0, Trouble::Slower(25.0)) }),
        ("A x4 at 30 s", Front { surge: 4.0, ..at(1000.0, Trouble::Slower(10.0)) }),
        ("for ever", Front { lasts: 400.0, ..at(1000.0, Trouble::Slower(25.0)) }),
        ("for ever", Front { lasts: 400.0, ..at(1500.0, Trouble::Slower(4.0)) }),
        ("part", Front { share: 0.2, ..at(500.0, Trouble::HangPart(0.5)) }),
        ("part", at(1000.0, Trouble::HangPart(0.5))),
        ("part", at(1000.0, Trouble::HangPart(0.67))),
        ("part", at(1000.0, Trouble::HangPart(0.9))),
        ("part", at(500.0, Trouble::Fail(0.2))),
        ("part", at(500.0, Trouble::Fail(0.8))),
        ("all", at(25.0, Trouble::Fail(1.0))),
        ("all", at(500.0, Trouble::Fail(1.0))),
        ("callers cancel", Front { cancels: true, ..at(1000.0, Trouble::Hang) }),
        ("callers cancel", Front { cancels: true, ..at(1000.0, Trouble::Slower(25.0)) }),
    ];
    for (name, slots, rate) in [("16 slots", 16, 250.0), ("256 slots", 256, 4000.0), ("512 slots", 512, 1000.0)] {
        for trouble in [Trouble::Hang, Trouble::Slower(10.0), Trouble::Slower(25.0)] {
            all.push((name, Front { slots, ..at(rate, trouble) }));
        }
    }
    all
}
