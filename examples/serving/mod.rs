//! Servers of an experiment, on ports of their own.

use std::{future::IntoFuture, io, net::SocketAddr};

use axum::{Router, serve::ListenerExt};
use tokio::net::TcpListener;

/// Serves for as long as the program runs, and says where.
pub(crate) async fn listen(app: Router) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|connection| {
        // Without it a small answer may wait for an acknowledgement; where it fails, it just does that.
        let _ = connection.set_nodelay(true);
    });
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}
