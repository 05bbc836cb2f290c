//! PostgreSQL and Redis behind an Axum handler: no services, but calls inside it, each under a guard of its own.
//!
//! `cargo run --example postgres_redis` starts both servers (Debian's packages `postgresql` and `redis-server`), asks for
//! something all the time, stops the database, lets it go on, kills it, starts it again, and prints what users see.

use std::{
    io,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::get,
};
use cofferdam::{BoxError, Bulkhead, CircuitBreaker, Guard, Policy, Refused};
use cofferdam_servers::Server;
use deadpool_postgres::{Object, Pool};
use redis::{AsyncCommands, aio::ConnectionManager};
use tokio::time::timeout;
use tower::ServiceExt;

/// What one query may take. It is a failure that the breaker counts.
const QUERY: Duration = Duration::from_millis(300);
/// What one look into the cache may take: it is only worth it while it is quick.
const LOOK: Duration = Duration::from_millis(50);

/// One guard per dependency: what happens to the one is nothing to the other.
#[derive(Clone)]
pub struct Shop {
    pool: Pool,
    cache: ConnectionManager,
    postgres: Guard<(CircuitBreaker, Bulkhead)>,
    redis: Guard<CircuitBreaker>,
}

impl Shop {
    pub async fn open(postgres: &Server, redis: &Server) -> Result<Self, BoxError> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(postgres.port()).user("shop").dbname("postgres");
        let pool =
            Pool::builder(deadpool_postgres::Manager::new(config, tokio_postgres::NoTls)).max_size(16).build()?;
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", redis.port()))?;
        Ok(Self {
            pool,
            cache: until_it_is_up(|| client.get_connection_manager()).await?,
            // Out of its slots before it is out of connections: whoever waits for a connection waits for a sick database.
            postgres: CircuitBreaker::builder("postgres")
                .build()?
                .and(Bulkhead::builder("postgres").limit(16).build()?)
                .layer(),
            redis: CircuitBreaker::builder("redis").build()?.layer(),
        })
    }

    /// From the cache if it is there, else from the database. That there is no cache is no reason to fail.
    pub async fn stock(&self, item: i32) -> Result<i64, Refused<BoxError>> {
        let key = format!("stock:{item}");
        let mut cache = self.cache.clone();
        let cached = self.redis.call(&(), || async {
            timeout(LOOK, cache.get::<_, Option<i64>>(&key)).await.map_err(BoxError::from)?.map_err(BoxError::from)
        });
        if let Ok(Some(stock)) = cached.await {
            return Ok(stock);
        }
        let stock = self.postgres.call(&(), || self.query(item)).await?;
        let mut cache = self.cache.clone();
        // It may be lost.
        let _ = self
            .redis
            .call(&(), || async {
                timeout(LOOK, cache.set_ex::<_, _, ()>(&key, stock, 1))
                    .await
                    .map_err(BoxError::from)?
                    .map_err(BoxError::from)
            })
            .await;
        Ok(stock)
    }

    async fn query(&self, item: i32) -> Result<i64, BoxError> {
        let connection = timeout(QUERY, self.pool.get()).await??;
        match timeout(QUERY, connection.query_one("SELECT $1::int4::int8 * 7", &[&item])).await {
            Ok(row) => Ok(row?.get(0)),
            Err(late) => {
                // The answer may still come: whoever gets this connection next would wait for it first.
                drop(Object::take(connection));
                Err(late.into())
            }
        }
    }

    pub fn database(&self) -> &CircuitBreaker {
        &self.postgres.policy().0
    }

    pub fn slots(&self) -> &Bulkhead {
        &self.postgres.policy().1
    }

    pub fn cache(&self) -> &CircuitBreaker {
        self.redis.policy()
    }
}

/// Calls again until a server that has just been started is there.
pub async fn until_it_is_up<T, E, F: Future<Output = Result<T, E>>>(mut call: impl FnMut() -> F) -> Result<T, E> {
    let begun = Instant::now();
    loop {
        match call().await {
            Err(_) if begun.elapsed() < Duration::from_secs(30) => tokio::time::sleep(Duration::from_millis(50)).await,
            answer => return answer,
        }
    }
}

async fn stock(State(shop): State<Shop>, Path(item): Path<i32>) -> Response {
    match shop.stock(item).await {
        Ok(stock) => stock.to_string().into_response(),
        Err(Refused::Rejected(rejected)) => {
            let after = rejected.retry_after().unwrap_or_default().as_secs().max(1);
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, after.to_string())]).into_response()
        }
        Err(Refused::Inner(_)) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

pub fn app(shop: Shop) -> Router {
    Router::new().route("/stock/{item}", get(stock)).with_state(shop)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (mut postgres, redis) = (Server::postgres()?, Server::redis()?);
    let shop = Shop::open(&postgres, &redis).await?;
    until_it_is_up(|| shop.query(1)).await?;
    shop.database().reset();

    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>10}  breaker",
        "each for a second and a half", "answered", "rejected", "failed", "p95"
    );
    ask(&shop, "all is well").await?;
    postgres.stop();
    ask(&shop, "the database hangs").await?;
    ask(&shop, "... and hangs").await?;
    postgres.go_on();
    ask(&shop, "the database goes on").await?;
    ask(&shop, "... and goes on").await?;
    redis.stop();
    ask(&shop, "the cache hangs").await?;
    redis.go_on();
    ask(&shop, "the cache goes on").await?;
    postgres.kill();
    ask(&shop, "the database is gone").await?;
    postgres.restart()?;
    ask(&shop, "the database starts again").await?;
    ask(&shop, "all is well again").await?;
    Ok(())
}

/// A hundred and fifty requests, one each ten milliseconds, whatever becomes of those before. One in two is not in the cache.
async fn ask(shop: &Shop, what: &str) -> Result<(), BoxError> {
    let app = app(shop.clone());
    let mut asked = Vec::new();
    for number in 0..150 {
        let item = if number % 2 == 0 { 1 } else { number };
        let request = axum::http::Request::get(format!("/stock/{item}")).body(axum::body::Body::empty())?;
        let (app, begun) = (app.clone(), Instant::now());
        asked.push(tokio::spawn(
            async move { app.oneshot(request).await.map(|answer| (answer.status(), begun.elapsed())) },
        ));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await??);
    }
    let count = |wanted: StatusCode| answers.iter().filter(|(status, _)| *status == wanted).count();
    let mut times: Vec<_> = answers.iter().map(|(_, time)| *time).collect();
    times.sort();
    let (ok, rejected, failed) =
        (count(StatusCode::OK), count(StatusCode::SERVICE_UNAVAILABLE), count(StatusCode::BAD_GATEWAY));
    let p95 = times.get(times.len() * 95 / 100).ok_or_else(|| io::Error::other("nothing was asked"))?;
    println!("{what:<34} {ok:>9} {rejected:>9} {failed:>9} {p95:>10.1?}  {}", shop.database().state());
    Ok(())
}
