use reactor_web::{App, Html, escape_html, run};

#[derive(serde::Deserialize)]
struct Guest {
    name: String,
}

fn main() -> deferred::Result<()> {
    let app = App::new()
        .get("/", |_| Html("<form method=post><input name=name></form>"))
        .post("/", |req| {
            req.form().add_callback(|guest: Guest| {
                Ok(Html(format!("hello, {}", escape_html(&guest.name))))
            })
        });
    run(std::env::var("ENDPOINT")?, app)
}
