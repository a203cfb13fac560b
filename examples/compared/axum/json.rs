use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(serde::Deserialize)]
struct Order {
    item: String,
    count: u32,
}

async fn orders(Json(order): Json<Order>) -> Json<Value> {
    let total = order.count * 30;
    Json(json!({"item": order.item, "total": total}))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new().route("/orders", post(orders));
    Ok(axum::serve(TcpListener::bind(std::env::var("ADDRESS")?).await?, app).await?)
}
