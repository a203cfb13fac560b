use reactor_web::{App, run};

fn main() -> deferred::Result<()> {
    let app = App::new().get("/hello/{name}", |req| {
        Ok(format!("hello, {}\n", req.param("name")?))
    });
    run(std::env::var("ENDPOINT")?, app)
}
