//! Redis by the crate `redis`, whose multiplexed connection is shared by all bodies.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, TimedOut, gather_results};
use reactor::{Reactor, ReactorHandle};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, ProtocolVersion, PushInfo, RedisConnectionInfo};

use crate::servers;

// ANCHOR: connect
/// Connects to Redis. The client may be cloned; all clones share one connection.
fn connect(reactor: &ReactorHandle, socket: PathBuf) -> Deferred<MultiplexedConnection> {
    let handle = reactor.clone();
    reactor.spawn(async move {
        let stream = handle.connect_unix_stream(socket).await?;
        let info = RedisConnectionInfo::default();
        // Its own timeouts are timers of Tokio's, which need its runtime: use `add_timeout`.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let io = stream.into_thread_bound();
        let (client, driver) = MultiplexedConnection::new_with_config(&info, io, config).await?;
        handle.spawn_driver(driver).detach();
        Ok(client)
    })
}
// ANCHOR_END: connect

fn with_client<T: 'static>(
    body: impl AsyncFnOnce(ReactorHandle, MultiplexedConnection) -> deferred::Result<T> + 'static,
) -> Option<T> {
    let server = servers::redis()?;
    let reactor = Reactor::new().expect("a reactor");
    let (handle, socket) = (reactor.handle(), server.path("redis"));
    let result = reactor.block_on(reactor.spawn(async move {
        let client = connect(&handle, socket).await?;
        body(handle, client).await
    }));
    Some(result.expect("it works"))
}

#[test]
fn commands_pipelines_and_transactions_are_answered() {
    with_client(async |handle, mut client| {
        client.set::<_, _, ()>("key", "value").await?;
        assert_eq!(client.get::<_, String>("key").await?, "value");
        let (one, two): (i32, i32) = redis::pipe()
            .atomic()
            .incr("count", 1)
            .incr("count", 1)
            .query_async(&mut client)
            .await?;
        assert_eq!((one, two), (1, 2));
        let wrong = client.incr::<_, _, i32>("key", 1).await;
        assert!(wrong.is_err_and(|error| error.to_string().contains("not an integer")));
        // Many at a time, and an answer that is larger than what is kept unread.
        let asked = (0..100).map(|number| {
            let mut client = client.clone();
            handle.spawn(async move {
                let key = format!("key{number}");
                client.set::<_, _, ()>(&key, vec![b'x'; 10_000]).await?;
                Ok(client.strlen::<_, usize>(&key).await?)
            })
        });
        let lengths = gather_results(asked).await?;
        assert!(lengths.iter().all(|length| *length == 10_000));
        client
            .set::<_, _, ()>("large", vec![b'y'; 1_000_000])
            .await?;
        assert_eq!(client.get::<_, Vec<u8>>("large").await?.len(), 1_000_000);
        Ok(())
    });
}

#[test]
fn a_timeout_is_that_of_the_reactor() {
    with_client(async |handle, client| {
        let mut waiting = client.clone();
        let popped = handle.spawn(async move {
            let popped: Option<(String, String)> = waiting.blpop("nothing", 60.0).await?;
            Ok(popped)
        });
        let popped = popped.add_timeout(Duration::from_millis(5), &handle).await;
        assert!(popped.is_err_and(|failure| failure.is::<TimedOut>()));
        Ok(())
    });
}

#[test]
fn messages_are_pushed() {
    let Some(server) = servers::redis() else {
        return;
    };
    let reactor = Reactor::new().expect("a reactor");
    let (handle, socket) = (reactor.handle(), server.path("redis"));
    let heard = reactor.block_on(reactor.spawn(async move {
        let mut publisher = connect(&handle, socket.clone()).await?;
        let (pushed, mut pushes) = futures::channel::mpsc::unbounded();
        let info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| pushed.unbounded_send(push));
        let stream = handle.connect_unix_stream(socket).await?;
        let io = stream.into_thread_bound();
        let (mut client, driver) =
            MultiplexedConnection::new_with_config(&info, io, config).await?;
        handle.spawn_driver(driver).detach();
        client.subscribe("news").await?;
        publisher.publish::<_, _, ()>("news", "it rains").await?;
        loop {
            let push = futures::StreamExt::next(&mut pushes).await;
            let push = push.expect("it is subscribed");
            if push.kind == redis::PushKind::Message {
                return Ok(redis::from_redis_value::<String>(push.data[1].clone())?);
            }
        }
    }));
    assert_eq!(heard.expect("it comes"), "it rains");
}

/// The server goes: who waits for an answer gets an error.
#[test]
fn the_end_of_the_server_is_an_error() {
    let Some(mut server) = servers::redis() else {
        return;
    };
    let reactor = Reactor::new().expect("a reactor");
    let client = reactor.block_on(connect(&reactor, server.path("redis")));
    let client = Rc::new(client.expect("it listens"));
    let mut waiting = (*client).clone();
    let popped = reactor.spawn(async move {
        let popped: Option<(String, String)> = waiting.blpop("nothing", 600.0).await?;
        Ok(popped)
    });
    server.kill();
    let failure = reactor.block_on(popped).expect_err("the server is gone");
    assert!(failure.is::<redis::RedisError>(), "{failure}");
}
