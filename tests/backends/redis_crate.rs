//! Redis by the crate `redis`, whose multiplexed connection is shared by all bodies.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, TimedOut, gather_results};
use reactor::{Reactor, ReactorHandle};
use reactor_web::client::{ClientRequest, ClientResponse};
use reactor_web::cookie::Key;
use reactor_web::http::Method;
use reactor_web::sessions::{SessionData, SessionStore, Sessions};
use reactor_web::{self as web, App, serve};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncCommands, AsyncConnectionConfig, ExistenceCheck, ProtocolVersion, PushInfo,
    RedisConnectionInfo, SetExpiry, SetOptions,
};

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

// ANCHOR: sessions
/// Sessions in Redis, for all processes of a site.
struct RedisStore(MultiplexedConnection);

impl SessionStore for RedisStore {
    fn load(&self, reactor: &ReactorHandle, token: &str) -> Deferred<Option<SessionData>> {
        let (mut redis, key) = (self.0.clone(), format!("session:{token}"));
        reactor.spawn(async move {
            let text: Option<String> = redis.get(key).await?;
            Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
        })
    }

    fn save(
        &self,
        reactor: &ReactorHandle,
        token: Option<&str>,
        data: &SessionData,
        lifetime: Duration,
    ) -> Deferred<Option<String>> {
        // A session that has ended in the meantime must not come back: `XX` sets only what is there.
        let condition = match token {
            Some(_) => ExistenceCheck::XX,
            None => ExistenceCheck::NX,
        };
        let token = token.map_or_else(random_token, str::to_owned);
        let (mut redis, data) = (self.0.clone(), data.clone());
        reactor.spawn(async move {
            let options = SetOptions::default()
                .conditional_set(condition)
                .with_expiration(SetExpiry::EX(lifetime.as_secs().max(1)));
            let (key, text) = (format!("session:{token}"), serde_json::to_string(&data)?);
            let is_set: bool = redis.set_options(key, text, options).await?;
            Ok(is_set.then_some(token))
        })
    }

    fn remove(&self, reactor: &ReactorHandle, token: &str) -> Deferred<()> {
        let (mut redis, key) = (self.0.clone(), format!("session:{token}"));
        reactor.spawn(async move { Ok(redis.del::<_, ()>(key).await?) })
    }
}

/// 256 random bits, in hexadecimal.
fn random_token() -> String {
    let random = Key::generate();
    let bytes = &random.signing()[..32];
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
// ANCHOR_END: sessions

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

fn site(store: RedisStore) -> App {
    App::new()
        .get("/", |req| {
            let user: Option<String> = req.session()?.get("user")?;
            Ok(user.unwrap_or_else(|| "stranger".to_owned()))
        })
        .post("/login", |req| {
            let session = req.session()?;
            Ok(req.text().add_callback(move |user| {
                session.insert("user", user)?;
                Ok("welcome")
            }))
        })
        .post("/logout", |req| {
            req.session()?.destroy();
            Ok("bye")
        })
        .wrap(Sessions::new(store).secure(false))
}

/// A user logs in at one process of a site, and is known to the other.
#[test]
fn two_sites_share_their_sessions() {
    let Some(server) = servers::redis() else {
        return;
    };
    let reactor = Reactor::new().expect("a reactor");
    let urls = [(); 2].map(|()| {
        let store = reactor.block_on(connect(&reactor, server.path("redis")));
        let site = site(RedisStore(store.expect("it listens")));
        let serving = serve(&reactor, "tcp:0:interface=127.0.0.1", site);
        let port = reactor.block_on(serving).expect("a free port");
        format!("http://{}", port.address())
    });
    let client = web::Client::new(&reactor);
    let text = |request: ClientRequest| {
        let text = request.send().add_callback(ClientResponse::text);
        reactor.block_on(text).expect("it works")
    };
    let [here, there] = &urls;
    let login = client
        .request(Method::POST, format!("{here}/login"))
        .body("ann");
    let answer = reactor.block_on(login.send()).expect("it works");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text");
    let cookie = cookie.split(';').next().expect("a cookie").to_owned();
    let ask =
        |method: Method, url: String| text(client.request(method, url).header("cookie", &*cookie));

    assert_eq!(ask(Method::GET, format!("{there}/")), "ann");
    assert_eq!(
        text(client.request(Method::GET, format!("{there}/"))),
        "stranger"
    );
    assert_eq!(ask(Method::POST, format!("{there}/logout")), "bye");
    assert_eq!(ask(Method::GET, format!("{here}/")), "stranger");
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
