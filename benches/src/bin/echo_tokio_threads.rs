//! Echo on Tokio: two worker threads that share the tasks, one for each connection.

use std::io;

use benches::BUFFER_SIZE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_io()
        .build()?;
    // The main thread only waits.
    let serving = runtime.spawn(async {
        let listener = TcpListener::from_std(benches::listen()?)?;
        loop {
            let (stream, _peer) = listener.accept().await?;
            tokio::spawn(async move {
                // A connection that breaks is the client's affair.
                let _ = echo(stream).await;
            });
        }
    });
    runtime.block_on(serving)?
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}
