//! PostgreSQL by the crate `tokio-postgres`, without a runtime of Tokio.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use deferred::assertions::with_no_unhandled;
use deferred::{Cancelled, Deferred, DeferredSemaphore, TimedOut, gather_results};
use futures::{SinkExt, TryStreamExt};
use reactor::{Reactor, ReactorHandle};
use reactor_web::client::ClientResponse;
use reactor_web::{self as web, App, Redirect, serve};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

use crate::servers::{self, Server};

/// One server for all tests that run at the same time.
fn server() -> Option<Arc<Server>> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(servers::postgres()?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

fn socket_of(server: &Server) -> PathBuf {
    server.path(".s.PGSQL.5432")
}

// ANCHOR: connect
/// Connects to PostgreSQL. The loop runs the driver of the connection until the client is
/// dropped.
fn connect(reactor: &ReactorHandle, socket: PathBuf) -> Deferred<Client> {
    let handle = reactor.clone();
    reactor.spawn(async move {
        let stream = handle.connect_unix_stream(socket).await?;
        let mut config = Config::new();
        config.user("postgres").dbname("postgres");
        let (client, driver) = config.connect_raw(stream, NoTls).await?;
        handle.spawn_driver(driver).detach();
        Ok(client)
    })
}
// ANCHOR_END: connect

// ANCHOR: pool
/// At most so many connections at a time, which are made when they are needed and kept.
#[derive(Clone)]
struct Pool {
    reactor: ReactorHandle,
    socket: PathBuf,
    permits: DeferredSemaphore,
    idle: Rc<RefCell<Vec<Client>>>,
}

impl Pool {
    fn new(reactor: &ReactorHandle, socket: PathBuf, size: usize) -> Self {
        Self {
            reactor: reactor.clone(),
            socket,
            permits: DeferredSemaphore::new(size).expect("a pool of at least one"),
            idle: Rc::default(),
        }
    }

    /// Runs `body` with a connection of its own. If the body fails or is cancelled, as by a
    /// timeout, its connection is in an unknown state: it is closed, which rolls back.
    fn with<T: 'static>(
        &self,
        body: impl AsyncFnOnce(&mut Client) -> deferred::Result<T> + 'static,
    ) -> Deferred<T> {
        let pool = self.clone();
        self.permits.run(move || {
            pool.reactor.clone().spawn(async move {
                let idle = pool.idle.borrow_mut().pop();
                let mut client = match idle {
                    Some(client) if !client.is_closed() => client,
                    _ => connect(&pool.reactor, pool.socket.clone()).await?,
                };
                let value = body(&mut client).await?;
                pool.idle.borrow_mut().push(client);
                Ok(value)
            })
        })
    }
}
// ANCHOR_END: pool

// ANCHOR: site
/// A guest book. Its processes share nothing but the database.
fn site(pool: Pool) -> App {
    let reading = pool.clone();
    App::new()
        .get("/guests", move |_| {
            reading.with(async |db| {
                let rows = db.query("SELECT name FROM guests ORDER BY name", &[]);
                let names: Vec<String> = rows.await?.iter().map(|row| row.get(0)).collect();
                Ok(names.join(" "))
            })
        })
        .post("/guests", move |req| {
            let pool = pool.clone();
            req.text().add_callback(move |name| {
                pool.with(async move |db| {
                    db.execute("INSERT INTO guests VALUES ($1)", &[&name])
                        .await?;
                    Ok(Redirect::see_other("/guests"))
                })
            })
        })
}
// ANCHOR_END: site

/// Runs a body with a client, to its end.
fn with_client<T: 'static>(
    body: impl AsyncFnOnce(ReactorHandle, Client) -> deferred::Result<T> + 'static,
) -> Option<T> {
    let server = server()?;
    let reactor = Reactor::new().expect("a reactor");
    let (handle, socket) = (reactor.handle(), socket_of(&server));
    let result = reactor.block_on(reactor.spawn(async move {
        let client = connect(&handle, socket).await?;
        body(handle, client).await
    }));
    Some(result.expect("it works"))
}

#[test]
fn queries_are_answered() {
    with_client(async |_, mut client| {
        let row = client.query_one("SELECT $1::int4 + 1", &[&41]).await?;
        assert_eq!(row.get::<_, i32>(0), 42);
        let statement = client.prepare("SELECT upper($1::text)").await?;
        for (given, expected) in [("one", "ONE"), ("two", "TWO")] {
            let row = client.query_one(&statement, &[&given]).await?;
            assert_eq!(row.get::<_, String>(0), expected);
        }
        client
            .batch_execute("CREATE TEMP TABLE t (n int4); INSERT INTO t VALUES (1)")
            .await?;
        let transaction = client.transaction().await?;
        transaction.execute("UPDATE t SET n = 2", &[]).await?;
        transaction.rollback().await?;
        let row = client.query_one("SELECT n FROM t", &[]).await?;
        assert_eq!(row.get::<_, i32>(0), 1);
        // Much in one answer: more than is kept unread.
        let row = client.query_one("SELECT repeat('x', 3000000)", &[]).await?;
        assert_eq!(row.get::<_, &str>(0).len(), 3_000_000);
        Ok(())
    });
}

#[test]
fn errors_keep_their_state() {
    with_client(async |handle, client| {
        let client = Rc::new(client);
        let asking = Rc::clone(&client);
        let dividing = handle.spawn(async move { Ok(asking.query("SELECT 1/0", &[]).await?) });
        let failure = dividing.await.expect_err("it cannot be");
        let error = failure.trap::<tokio_postgres::Error>()?;
        assert_eq!(error.code(), Some(&SqlState::DIVISION_BY_ZERO));
        // The connection goes on.
        assert_eq!(client.query_one("SELECT 1", &[]).await?.len(), 1);
        Ok(())
    });
}

/// Two processes of a site, of which each has a pool.
#[test]
fn two_sites_share_a_database() {
    let Some(server) = server() else {
        return;
    };
    let reactor = Reactor::new().expect("a reactor");
    let pools = [(); 2].map(|()| Pool::new(&reactor, socket_of(&server), 2));
    let made = pools[0].with(async |db| {
        db.batch_execute("CREATE TABLE guests (name text)").await?;
        Ok(())
    });
    reactor.block_on(made).expect("it works");
    let urls = pools.map(|pool| {
        let serving = serve(&reactor, "tcp:0:interface=127.0.0.1", site(pool));
        let port = reactor.block_on(serving).expect("a free port");
        format!("http://{}/guests", port.address())
    });
    let client = web::Client::new(&reactor);
    // All at once, each of them followed by a redirect to the list.
    let posted = ["ann", "bob", "cid", "dan"]
        .into_iter()
        .zip(urls.iter().cycle());
    let posted = posted.map(|(name, url)| client.post(url.as_str(), name));
    reactor.block_on(gather_results(posted)).expect("they work");
    for url in &urls {
        let asked = client.get(url.as_str()).add_callback(ClientResponse::text);
        assert_eq!(
            reactor.block_on(asked).expect("it works"),
            "ann bob cid dan"
        );
    }
}

#[test]
fn queries_are_pipelined() {
    with_client(async |handle, client| {
        let client = Rc::new(client);
        let asked = (0..200_i32).map(|number| {
            let client = Rc::clone(&client);
            handle.spawn(async move {
                let row = client.query_one("SELECT $1::int4", &[&number]).await?;
                Ok(row.get::<_, i32>(0))
            })
        });
        let answers = gather_results(asked).await?;
        assert_eq!(answers, (0..200).collect::<Vec<_>>());
        Ok(())
    });
}

#[test]
fn tables_are_copied_in_and_out() {
    with_client(async |_, client| {
        client.batch_execute("CREATE TEMP TABLE c (n int4)").await?;
        let mut sink = pin!(client.copy_in("COPY c FROM STDIN").await?);
        let lines: String = (0..100_000).map(|number| format!("{number}\n")).collect();
        for piece in lines.as_bytes().chunks(10_000) {
            sink.send(bytes::Bytes::copy_from_slice(piece)).await?;
        }
        assert_eq!(sink.as_mut().finish().await?, 100_000);
        let copied = client.copy_out("COPY c TO STDOUT").await?;
        let pieces: Vec<_> = copied.try_collect().await?;
        assert_eq!(pieces.concat(), lines.as_bytes());
        Ok(())
    });
}

#[test]
fn notifications_come_through_the_driver() {
    let Some(server) = server() else { return };
    let reactor = Reactor::new().expect("a reactor");
    let (handle, socket) = (reactor.handle(), socket_of(&server));
    let heard = reactor.block_on(reactor.spawn(async move {
        // ANCHOR: notifications
        let stream = handle.connect_unix_stream(socket).await?;
        let mut config = Config::new();
        config.user("postgres").dbname("postgres");
        let (client, mut connection) = config.connect_raw(stream, NoTls).await?;
        let (trigger, heard) = Deferred::pair();
        let driver = async move {
            while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(notification) = message? {
                    // Errs after the first one.
                    let _ = trigger.callback(notification.payload().to_owned());
                }
            }
            Ok::<(), tokio_postgres::Error>(())
        };
        handle.spawn_driver(driver).detach();
        client.batch_execute("LISTEN news").await?;
        client.batch_execute("NOTIFY news, 'it rains'").await?;
        heard.await
        // ANCHOR_END: notifications
    }));
    assert_eq!(heard.expect("it comes"), "it rains");
}

#[test]
fn a_query_is_cancelled_at_the_server() {
    let Some(server) = server() else { return };
    let reactor = Reactor::new().expect("a reactor");
    let (handle, socket) = (reactor.handle(), socket_of(&server));
    let cancelled = reactor.block_on(reactor.spawn(async move {
        let client = connect(&handle, socket.clone()).await?;
        // Other tests sleep at the same server.
        let name = "SET application_name = 'to be cancelled'";
        client.batch_execute(name).await?;
        let token = client.cancel_token();
        let sleeping = handle.spawn(async move {
            client.query("SELECT pg_sleep(600)", &[]).await?;
            Ok(())
        });
        // A request to cancel that comes before the query is ignored by the server.
        let observer = connect(&handle, socket.clone()).await?;
        let asleep = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'
            AND query = 'SELECT pg_sleep(600)' AND application_name = 'to be cancelled'";
        while observer.query_opt(asleep, &[]).await?.is_none() {}
        let stream = handle.connect_unix_stream(socket).await?;
        token.cancel_query_raw(stream, NoTls).await?;
        let failure = sleeping.await.expect_err("it is cancelled");
        Ok(failure.trap::<tokio_postgres::Error>()?.code().cloned())
    }));
    let code = cancelled.expect("it works");
    assert_eq!(code, Some(SqlState::QUERY_CANCELED));
}

#[test]
fn a_pool_of_deferreds_has_no_more_connections_than_it_may() {
    let Some(server) = server() else { return };
    let reactor = Reactor::new().expect("a reactor");
    let pool = Pool::new(&reactor, socket_of(&server), 4);
    let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let jobs = (0..100_i64).map(|number| {
        let (now, most) = (Rc::clone(&now), Rc::clone(&most));
        pool.with(async move |client| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            let query = "SELECT $1::int8, pg_backend_pid()";
            let row = client.query_one(query, &[&number]).await?;
            now.set(now.get() - 1);
            Ok((row.get::<_, i64>(0), row.get::<_, i32>(1)))
        })
    });
    let answers = reactor.block_on(gather_results(jobs)).expect("they work");
    let numbers: Vec<_> = answers.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    let mut backends: Vec<_> = answers.iter().map(|(_, backend)| *backend).collect();
    backends.sort_unstable();
    backends.dedup();
    // Fewer if some connections were made too late to get a job.
    assert!((1..=4).contains(&backends.len()), "{backends:?}");
    assert!((1..=4).contains(&most.get()), "{most:?}");
}

#[test]
fn a_pool_replaces_connections_that_were_cancelled_or_have_ended() {
    let Some(server) = server() else { return };
    let reactor = Reactor::new().expect("a reactor");
    let pool = Pool::new(&reactor, socket_of(&server), 1);
    async fn backend(client: &mut Client) -> deferred::Result<i32> {
        let row = client.query_one("SELECT pg_backend_pid()", &[]).await?;
        Ok(row.get(0))
    }
    let first = reactor.block_on(pool.with(backend)).expect("it works");
    assert_eq!(reactor.block_on(pool.with(backend)).ok(), Some(first));

    // One that takes too long.
    let slow = pool.with(async |client: &mut Client| {
        client.query("SELECT pg_sleep(600)", &[]).await?;
        Ok(())
    });
    let slow = slow.add_timeout(Duration::from_millis(20), &*reactor);
    let failure = reactor.block_on(slow).expect_err("it takes ten minutes");
    assert!(failure.is::<TimedOut>() || failure.is::<Cancelled>());
    let second = reactor.block_on(pool.with(backend)).expect("it works");
    assert_ne!(second, first);

    // One that the server ends.
    let ended = pool.with(async move |client: &mut Client| {
        let query = "SELECT pg_terminate_backend(pg_backend_pid())";
        client.query(query, &[]).await?;
        Ok(())
    });
    assert!(reactor.block_on(ended).is_err());
    let third = reactor.block_on(pool.with(backend)).expect("it works");
    assert_ne!(third, second);
}

/// A stop with a query under way: it fails, its caller hears of it, and nothing else is reported.
#[test]
fn a_stop_ends_a_query_and_its_driver_quietly() {
    let Some(server) = server() else { return };
    let socket = socket_of(&server);
    let heard = Rc::new(Cell::new(false));
    // Of this thread only: the other tests of this process end connections with an error.
    with_no_unhandled(|| {
        let reactor = Reactor::new().expect("a reactor");
        let (handle, hearing) = (reactor.handle(), Rc::clone(&heard));
        let asking = reactor.spawn(async move {
            let client = connect(&handle, socket).await?;
            let stopping = handle.clone();
            handle.call_later(Duration::from_millis(1), move || {
                stopping.stop();
            });
            let answer = client.query("SELECT pg_sleep(600)", &[]).await;
            let failure = answer.expect_err("the loop has stopped");
            hearing.set(failure.is_closed() || !failure.to_string().is_empty());
            Ok(())
        });
        asking.ignore();
        reactor.run().expect("it runs");
        drop(reactor);
        deferred::driver::run_woken();
    });
    assert!(heard.get(), "the caller hears of it");
}
