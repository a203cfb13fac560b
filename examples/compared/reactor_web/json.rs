use reactor_web::{App, Json, run};
use serde_json::json;

#[derive(serde::Deserialize)]
struct Order {
    item: String,
    count: u32,
}

fn main() -> deferred::Result<()> {
    let app = App::new().post("/orders", |req| {
        req.json().add_callback(|order: Order| {
            let total = order.count * 30;
            Ok(Json(json!({"item": order.item, "total": total})))
        })
    });
    run(std::env::var("ENDPOINT")?, app)
}
