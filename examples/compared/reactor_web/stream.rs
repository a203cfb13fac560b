use futures::{StreamExt, stream};
use reactor_web::{App, Body, Request, run};

fn numbers() -> Body {
    let numbers = stream::iter(1..=100_000);
    Body::from_stream(numbers.map(|number| Ok(format!("{number}\n"))))
}

fn upper(req: &Request) -> Body {
    let mut upload = req.take_body();
    let (writer, body) = Body::channel();
    let writing = async move {
        while let Some(bytes) = upload.next().await {
            writer.write(bytes?.to_ascii_uppercase()).await?;
        }
        Ok(())
    };
    req.reactor().spawn(writing).ignore();
    body
}

fn main() -> deferred::Result<()> {
    let app = App::new()
        .get("/numbers", |_| numbers())
        .post("/upper", |req| upper(&req));
    run(std::env::var("ENDPOINT")?, app)
}
