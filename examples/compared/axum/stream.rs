use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::{Router, routing::get, routing::post};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::net::TcpListener;

async fn numbers() -> Body {
    let numbers = stream::iter(1..=100_000);
    Body::from_stream(numbers.map(|number| Ok::<_, Infallible>(format!("{number}\n"))))
}

async fn upper(body: Body) -> Body {
    let upper = |bytes: Bytes| bytes.to_ascii_uppercase();
    Body::from_stream(body.into_data_stream().map_ok(upper))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new()
        .route("/numbers", get(numbers))
        .route("/upper", post(upper));
    Ok(axum::serve(TcpListener::bind(std::env::var("ADDRESS")?).await?, app).await?)
}
