//! Echo over TLS on Tokio, by `tokio-rustls`: one thread, a task and a buffer for each connection.
//! The first of two arguments is the size of that buffer, in KiB.

use std::error::Error;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

fn main() -> Result<(), Box<dyn Error>> {
    let kilobytes: usize = std::env::args().nth(1).unwrap_or_default().parse()?;
    let acceptor = TlsAcceptor::from(benches::tls_configs::server_of_peers()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let serving =
        benches::serve_on_tokio(|stream| echo(acceptor.clone(), stream, kilobytes * 1024));
    Ok(runtime.block_on(serving)?)
}

async fn echo(acceptor: TlsAcceptor, stream: TcpStream, size: usize) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut buffer = vec![0; size];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return stream.shutdown().await,
            n => {
                stream.write_all(&buffer[..n]).await?;
                stream.flush().await?;
            }
        }
    }
}
