use reactor_web::{App, Files, run};

fn main() -> deferred::Result<()> {
    let app = App::new().mount("/", Files::new(std::env::var("FOLDER")?));
    run(std::env::var("ENDPOINT")?, app)
}
