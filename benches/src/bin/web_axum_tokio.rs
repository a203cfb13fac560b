//! axum on Tokio, in one thread.

use std::io;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use benches::Order;
use tokio::net::TcpListener;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let app = Router::new()
        .route("/", get(async || benches::web_body("/")))
        .route(
            "/{size}",
            get(async |Path(size): Path<String>| benches::web_body(&format!("/{size}"))),
        )
        .route("/json", post(async |Json(order): Json<Order>| Json(order)));
    runtime.block_on(async {
        let listener = TcpListener::from_std(benches::listen()?)?;
        axum::serve(listener, app).await
    })
}
