//! Echo on Tokio: one thread, a task and a buffer for each connection.

use std::io;

use benches::{AGE, BUFFER_SIZE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

fn main() -> io::Result<()> {
    let has_timers = benches::has_timers();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_io();
    if has_timers {
        builder.enable_time();
    }
    let runtime = builder.build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(benches::listen()?)?;
        loop {
            let (stream, _peer) = listener.accept().await?;
            // A connection that breaks is the client's affair.
            if has_timers {
                tokio::spawn(async move {
                    let _ = echo_patiently(stream).await;
                });
            } else {
                tokio::spawn(async move {
                    let _ = echo(stream).await;
                });
            }
        }
    })
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

/// The same; it is given up if nothing happens.
async fn echo_patiently(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        match timeout(AGE, stream.read(&mut buffer)).await?? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}
