use axum::Router;
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new().fallback_service(ServeDir::new(std::env::var("FOLDER")?));
    Ok(axum::serve(TcpListener::bind(std::env::var("ADDRESS")?).await?, app).await?)
}
