use reactor_web::{App, run};

fn main() -> deferred::Result<()> {
    let app = App::new().get("/", |_| "hello\n");
    run(std::env::var("ENDPOINT")?, app)
}
