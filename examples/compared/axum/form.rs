use axum::{Form, Router, response::Html, routing::get};
use tokio::net::TcpListener;

#[derive(serde::Deserialize)]
struct Guest {
    name: String,
}

async fn greet(Form(guest): Form<Guest>) -> Html<String> {
    // axum has no function for this.
    let name = guest.name.replace('&', "&amp;").replace('<', "&lt;");
    Html(format!("hello, {name}"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let form = async || Html("<form method=post><input name=name></form>");
    let app = Router::new().route("/", get(form).post(greet));
    Ok(axum::serve(TcpListener::bind(std::env::var("ADDRESS")?).await?, app).await?)
}
