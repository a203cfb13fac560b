//! axum on Tokio, in one thread.

use std::io;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
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
        );
    runtime.block_on(async {
        let listener = TcpListener::from_std(benches::listen()?)?;
        axum::serve(listener, app).await
    })
}
