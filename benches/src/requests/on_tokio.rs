//! The client on Tokio's current thread.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use redis::RedisConnectionInfo;
use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime;

use super::{Case, MESSAGE, Times, config};

/// What the requests take of the processor.
pub(super) fn run(
    case: Case,
    address: SocketAddr,
    requests: usize,
    now: Times,
) -> Result<Duration, Box<dyn Error>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        match case {
            Case::Stream => self::stream(stream, requests, now).await,
            Case::Redis { in_flight } => redis(stream, requests, in_flight, now).await,
        }
    })
}

async fn stream(
    mut stream: TcpStream,
    requests: usize,
    now: Times,
) -> Result<Duration, Box<dyn Error>> {
    let start = now();
    tokio::spawn(async move {
        let mut answer = [0; MESSAGE.len()];
        for _ in 0..requests {
            stream.write_all(&MESSAGE).await?;
            stream.read_exact(&mut answer).await?;
        }
        Ok::<_, std::io::Error>(())
    })
    .await??;
    Ok(now() - start)
}

async fn redis(
    stream: TcpStream,
    requests: usize,
    in_flight: usize,
    now: Times,
) -> Result<Duration, Box<dyn Error>> {
    let info = RedisConnectionInfo::default();
    let connecting = MultiplexedConnection::new_with_config(&info, stream, config());
    let (client, driver) = connecting.await?;
    tokio::spawn(driver);
    let start = now();
    let asking: Vec<_> = (0..in_flight)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move {
                for _ in 0..requests / in_flight {
                    let answer: Option<String> = redis::cmd("GET")
                        .arg("key")
                        .query_async(&mut client)
                        .await?;
                    assert!(answer.is_none(), "the key is not set");
                }
                Ok::<_, redis::RedisError>(())
            })
        })
        .collect();
    for asking in asking {
        asking.await??;
    }
    Ok(now() - start)
}
