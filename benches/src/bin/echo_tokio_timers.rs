//! Echo on Tokio, where each connection has a timer.

use std::io;

use benches::{AGE, BUFFER_SIZE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(benches::listen()?)?;
        loop {
            let (stream, _peer) = listener.accept().await?;
            tokio::spawn(async move {
                // A connection that breaks is the client's affair.
                let _ = echo(stream).await;
            });
        }
    })
}

/// It is given up if nothing happens.
async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        match timeout(AGE, stream.read(&mut buffer)).await?? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}
