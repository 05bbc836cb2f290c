//! scratch
#![cfg(feature = "test-util")]
#![allow(missing_docs, unreachable_pub, dead_code)] // the laboratory is shared with a bench

#[path = "support/lab/mod.rs"]
mod lab;

use lab::front::{Around, Front, Trouble, matrix};

fn arg(name: &str, default: &str) -> String { std::env::var(name).unwrap_or(default.into()) }

#[test]
fn scratch() {
    let seeds: u64 = arg("SEEDS", "1").parse().unwrap();
    let first: u64 = arg("FIRST", "0").parse().unwrap();
    let min: f64 = arg("MIN", "500").parse().unwrap();
    let max: f64 = arg("MAX", "500").parse().unwrap();
    let around = match arg("AROUND", "pool").as_str() { "none" => Around::Nothing, "breaker" => Around::Breaker, "number" => Around::PoolByNumber, _ => Around::Pool };
    let mut slow = vec![];
    for cell in matrix() {
        if cell.rate < min || cell.rate > max { continue; }
        let (mut lost, mut late, mut good, mut of, mut once, mut c30, mut c28, mut back, mut before) = (0f64, 0f64, 0f64, 0f64, 1f64, 0f64, 0f64, 0f64, 0f64);
        for seed in first..first + seeds {
            let seen = Front { seed, cancels: arg("CANCELS", "0") == "1", ..cell }.run(around);
            lost = lost.max(seen.a_lost()); late = late.max(seen.a_late());
            good += seen.b_good() / seeds as f64; of += seen.b_of_possible() / seeds as f64;
            once = once.min(seen.b_at_once()); c30 = c30.max(seen.calls(20.0, 50.0)); c28 = c28.max(seen.calls(22.0, 50.0));
            back = back.max(seen.b_back()); before = before.max(seen.lost_before());
        }
        if matches!(cell.trouble, Trouble::Slower(_)) { slow.push(of); }
        println!("{:5} {:.1} {:12} A lost {:6.2} % late {:5.1} %  B {:5.1} % possible {:5.1} of {:5.1}  at once {:5.1} calls {:6.2} {:6.2} back {:.1} before {:.2}",
            cell.rate, cell.share, format!("{:?}", cell.trouble), lost*100., late*100., good*100., cell.possible()*100., of*100., once*100., c30, c28, back, before*100.);
    }
    println!("mean of possible {:.1}", 100. * slow.iter().sum::<f64>() / slow.len() as f64);
}
