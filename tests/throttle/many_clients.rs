//! Many clients of one server, which knows nothing of their throttles.

use super::*;

/// Sixteen clients of one server that can do 800 calls in a second, and are asked for 3,200. A rejection costs the server a tenth
/// of a call; what it can do, it does for the highest ranks first.
struct Server {
    clients: Vec<Throttle>,
    /// Over all that was asked for in the end: of the top class, and of it those that were served; calls that arrived, and served.
    top: (f64, f64),
    arrived: f64,
    served: f64,
}

impl Server {
    const TICKS: u64 = 1_000;
    const CAPACITY: f64 = 8.0;

    fn run(clients: Vec<Throttle>) -> Self {
        let mut server = Self { clients, top: (0.0, 0.0), arrived: 0.0, served: 0.0 };
        let mut task = 0;
        for tick in 0..Self::TICKS {
            let now = at(5_000 + 10 * tick);
            // The first two seconds are for finding the margin.
            let counts = f64::from(u8::from(tick >= 200));
            let mut arrivals = Vec::new();
            for (client, nth) in (0..server.clients.len()).flat_map(|client| [(client, 0), (client, 1)]) {
                task += 1;
                // A fifth matters most: with 640 calls in a second, four fifths of what the server can do.
                let class = match (task + nth) % 10 {
                    0 | 1 => Criticality::CriticalPlus,
                    2..5 => Criticality::Critical,
                    _ => Criticality::Sheddable,
                };
                let rank = rank(class, task);
                server.top.0 += counts * f64::from(u8::from(class == Criticality::CriticalPlus));
                if let Ok(token) = server.clients[client].admit(&rank, now) {
                    arrivals.push((rank, client, token));
                }
            }
            server.arrived += counts * arrivals.len() as f64;
            arrivals.sort_by_key(|(rank, ..)| std::cmp::Reverse(*rank));
            // What is served and what is rejected cost together what there is.
            let takes =
                ((Self::CAPACITY - 0.1 * arrivals.len() as f64) / 0.9).clamp(0.0, Self::CAPACITY).round() as usize;
            for (nth, (rank, client, token)) in arrivals.into_iter().enumerate() {
                let outcome = if nth < takes { Outcome::Success } else { Outcome::Overload };
                server.clients[client].settle(token, &Ended::new(outcome, now, now.after(ms(10))));
                if nth < takes {
                    server.served += counts;
                    server.top.1 += counts * f64::from(u8::from(rank.criticality() == Criticality::CriticalPlus));
                }
            }
        }
        server
    }

    fn share_of_the_top(&self) -> f64 {
        self.top.1 / self.top.0
    }

    /// As a multiple of what the server can do.
    fn load(&self, calls: f64) -> f64 {
        calls / (Self::CAPACITY * (Self::TICKS - 200) as f64)
    }
}

#[test]
fn with_many_clients_of_one_server_the_order_saves_what_a_coin_takes() {
    let sixteen = |build: &dyn Fn() -> Throttle| (0..16).map(|_| build()).collect();
    let order = Server::run(sixteen(&throttle));
    let coin = Server::run(sixteen(&|| builder().coin(true).build().unwrap()));
    let (whole, tossed) = (order.share_of_the_top(), coin.share_of_the_top());
    println!("top class served: by order {whole:.3}, by coin {tossed:.3}");
    println!("arrived: {:.2}, {:.2}", order.load(order.arrived), coin.load(coin.arrived));
    println!("served: {:.2}, {:.2}", order.load(order.served), coin.load(coin.served));
    assert!(whole > 0.95, "{whole}");
    assert!(tossed < 0.5, "{tossed}");
    // Both send little more than is taken, and the server is busy with what it is for.
    assert!(order.load(order.arrived) < 1.4 && order.load(order.served) > 0.9);
    // Without a throttle, four times as much arrives.
    let none = Server::run(sixteen(&|| builder().aggression(100.0).keen_aggression(100.0).build().unwrap()));
    println!(
        "without: top {:.3}, arrived {:.2}, served {:.2}",
        none.share_of_the_top(),
        none.load(none.arrived),
        none.load(none.served)
    );
    assert!(none.load(none.arrived) > 3.9 && none.load(none.served) < 0.8);
}
