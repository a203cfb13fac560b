//! A form with files, which are read as streams: none of them is ever in memory as a whole.
//! Twisted's counterpart: `Request.args` and `cgi.FieldStorage`, which keep whole files.
//!
//! ```text
//! cargo run --example web_form -- --listen 127.0.0.1:8080
//! curl localhost:8080/ -F name=ann -F picture=@picture.png
//! ```

use std::fmt::Write as _;

use clap::Parser;
use reactor::Reactor;
use reactor_web::middleware::BodyLimit;
use reactor_web::{App, Html, Request, multipart_error, serve};

/// Takes files.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
}

const FORM: &str = "<!doctype html>
<title>Upload</title>
<form method=post enctype=multipart/form-data>
  <input name=name placeholder='your name'>
  <input name=picture type=file multiple>
  <button>Send</button>
</form>
";

// ANCHOR: upload
async fn upload(req: Request) -> deferred::Result<String> {
    let mut form = req.multipart()?;
    let mut report = String::new();
    while let Some(mut part) = form.next_field().await.map_err(multipart_error)? {
        let name = part.name().unwrap_or_default().to_owned();
        let Some(file) = part.file_name().map(str::to_owned) else {
            let text = part.text().await.map_err(multipart_error)?;
            writeln!(report, "{name}: {text}")?;
            continue;
        };
        let mut size = 0;
        while let Some(bytes) = part.chunk().await.map_err(multipart_error)? {
            size += bytes.len();
        }
        writeln!(report, "{name}: {file}, {size} bytes")?;
    }
    Ok(report)
}

fn app() -> App {
    let limit = BodyLimit::new(1024 * 1024 * 1024);
    App::new()
        .get("/", |_| Html(FORM))
        .group(limit, |app| app.post("/", upload))
}
// ANCHOR_END: upload

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let endpoint = reactor::options::TcpListenOptions::from(args.listen);
    let port = reactor.block_on(serve(&reactor, endpoint, app()))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
