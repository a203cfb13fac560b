//! `ServeDir` of tower-http in axum, on Tokio in one thread; files are read by Tokio's other threads. The
//! first of two arguments is the folder.

use std::io;

use axum::Router;
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let app = Router::new().fallback_service(ServeDir::new(benches::mode()));
    runtime.block_on(async {
        let listener = TcpListener::from_std(benches::listen()?)?;
        axum::serve(listener, app).await
    })
}
