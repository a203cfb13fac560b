use std::time::Duration;

use axum::{Router, extract::Path, routing::get};
use tokio::net::TcpListener;

struct Gone(bool);

impl Drop for Gone {
    fn drop(&mut self) {
        if self.0 {
            println!("the tea is not needed");
        }
    }
}

async fn tea(Path(seconds): Path<u64>) -> &'static str {
    let mut gone = Gone(true);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    gone.0 = false;
    "your tea\n"
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new().route("/tea/{seconds}", get(tea));
    Ok(axum::serve(TcpListener::bind(std::env::var("ADDRESS")?).await?, app).await?)
}
