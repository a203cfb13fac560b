use std::time::Duration;

use deferred::defer_later;
use reactor_web::{App, run};

fn main() -> deferred::Result<()> {
    let app = App::new().get("/tea/{seconds}", |req| {
        let time = Duration::from_secs(req.param_as("seconds")?);
        let tea = defer_later(req.reactor(), time, || Ok("your tea\n"));
        Ok(tea.add_errback(|failure| {
            println!("the tea is not needed");
            Err(failure)
        }))
    });
    run(std::env::var("ENDPOINT")?, app)
}
