use axum::{Router, extract::Path, routing::get};
use tokio::net::TcpListener;

async fn hello(Path(name): Path<String>) -> String {
    format!("hello, {name}\n")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new().route("/hello/{name}", get(hello));
    Ok(axum::serve(TcpListener::bind(std::env::var("ADDRESS")?).await?, app).await?)
}
