//! The client on the reactor: `async` bodies over a `ByteStream`.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use deferred::gather_results;
use futures::{AsyncReadExt, AsyncWriteExt};
use reactor::Reactor;
use redis::RedisConnectionInfo;
use redis::aio::MultiplexedConnection;

use super::{Case, MESSAGE, Times, config};

/// What the requests take of the processor.
pub(super) fn run(
    case: Case,
    address: SocketAddr,
    requests: usize,
    now: Times,
) -> Result<Duration, Box<dyn Error>> {
    let reactor = Reactor::new()?;
    let time = match case {
        Case::Stream => stream(&reactor, address, requests, now),
        Case::Redis { in_flight } => redis(&reactor, address, requests, in_flight, now),
    };
    Ok(time?)
}

fn stream(
    reactor: &Reactor,
    address: SocketAddr,
    requests: usize,
    now: Times,
) -> deferred::Result<Duration> {
    let mut stream = reactor.block_on(reactor.connect_tcp_stream(address))?;
    stream.connection().set_nodelay(true)?;
    let start = now();
    reactor.block_on(reactor.spawn(async move {
        let mut answer = [0; MESSAGE.len()];
        for _ in 0..requests {
            stream.write_all(&MESSAGE).await?;
            stream.read_exact(&mut answer).await?;
        }
        Ok(())
    }))?;
    Ok(now() - start)
}

fn redis(
    reactor: &Reactor,
    address: SocketAddr,
    requests: usize,
    in_flight: usize,
    now: Times,
) -> deferred::Result<Duration> {
    let stream = reactor.block_on(reactor.connect_tcp_stream(address))?;
    stream.connection().set_nodelay(true)?;
    let handle = reactor.handle();
    let client = reactor.block_on(reactor.spawn(async move {
        let (info, io) = (RedisConnectionInfo::default(), stream.into_thread_bound());
        let connecting = MultiplexedConnection::new_with_config(&info, io, config());
        let (client, driver) = connecting.await?;
        handle.spawn_driver(driver).detach();
        Ok(client)
    }))?;
    let start = now();
    let asking = (0..in_flight).map(|_| {
        let mut client = client.clone();
        reactor.spawn(async move {
            for _ in 0..requests / in_flight {
                let answer: Option<String> = redis::cmd("GET")
                    .arg("key")
                    .query_async(&mut client)
                    .await?;
                assert!(answer.is_none(), "the key is not set");
            }
            Ok(())
        })
    });
    reactor.block_on(gather_results(asking))?;
    Ok(now() - start)
}
