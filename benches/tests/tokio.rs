//! The programs of Tokio's that `docs/` quotes: they are compiled, and run if they end.

#[expect(dead_code, reason = "it serves for ever, at a port of its own")]
mod echo {
    // ANCHOR: echo
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::main]
    async fn main() -> std::io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:8000").await?;
        loop {
            let (mut socket, _) = listener.accept().await?;
            tokio::spawn(async move {
                let mut buffer = vec![0; 1024];
                while let Ok(length) = socket.read(&mut buffer).await {
                    if length == 0 || socket.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
            });
        }
    }
    // ANCHOR_END: echo
}

mod client {
    use std::io::{Read, Write};

    // ANCHOR: client
    use std::time::Duration;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    async fn ask(server: &str) -> Result<String, Box<dyn std::error::Error>> {
        timeout(Duration::from_secs(5), async {
            let mut socket = BufReader::new(TcpStream::connect(server).await?);
            socket.write_all(b"what time is it?\n").await?;
            let mut answer = String::new();
            socket.read_line(&mut answer).await?;
            Ok(answer)
        })
        .await?
    }
    // ANCHOR_END: client

    /// A server that answers one line.
    fn clock() -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a client connects");
            let mut question = [0; 17];
            socket.read_exact(&mut question).expect("a line");
            assert_eq!(&question, b"what time is it?\n");
            socket.write_all(b"noon\n").expect("it listens");
        });
        address.to_string()
    }

    #[tokio::test]
    async fn it_gets_its_answer() {
        assert_eq!(ask(&clock()).await.expect("in time"), "noon\n");
    }
}

mod first {
    // ANCHOR: first
    use std::time::Duration;
    use tokio::time::sleep;

    async fn fastest() -> &'static str {
        tokio::select! {
            _ = sleep(Duration::from_secs(2)) => "near",
            _ = sleep(Duration::from_secs(1)) => "far",
        }
    }
    // ANCHOR_END: first

    #[tokio::test(start_paused = true)]
    async fn the_faster_one_is() {
        assert_eq!(fastest().await, "far");
    }
}

mod shared {
    // ANCHOR: shared
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    type Scores = Arc<Mutex<HashMap<String, u32>>>;

    async fn point_for(scores: Scores, name: &str) -> u32 {
        let mut scores = scores.lock().unwrap(); // not across an await
        let score = scores.entry(name.to_owned()).or_default();
        *score += 1;
        *score
    }
    // ANCHOR_END: shared

    #[tokio::test]
    async fn points_are_added_up() {
        let scores = Scores::default();
        assert_eq!(point_for(Arc::clone(&scores), "ann").await, 1);
        assert_eq!(point_for(scores, "ann").await, 2);
    }
}

mod blocking {
    // ANCHOR: blocking
    async fn length_of(path: &'static str) -> std::io::Result<usize> {
        let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await??;
        Ok(text.len())
    }
    // ANCHOR_END: blocking

    #[tokio::test]
    async fn a_file_is_read_elsewhere() {
        assert!(length_of("Cargo.toml").await.expect("it is there") > 0);
    }
}

#[expect(dead_code, reason = "it ends by a signal to the whole process")]
mod ending {
    use tokio::net::TcpStream;

    async fn handle(_socket: TcpStream, stop: CancellationToken) {
        stop.cancelled().await;
    }

    // ANCHOR: ending
    use std::time::Duration;
    use tokio::net::TcpListener;
    use tokio_util::{sync::CancellationToken, task::TaskTracker};

    async fn serve(listener: TcpListener) {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => break,
                Ok((socket, _)) = listener.accept() => {
                    tasks.spawn(handle(socket, stop.clone())); // it must watch the token
                }
            }
        }
        stop.cancel();
        tasks.close();
        let _ = tokio::time::timeout(Duration::from_secs(30), tasks.wait()).await;
    }
    // ANCHOR_END: ending
}

mod channel {
    // ANCHOR: channel
    use tokio::sync::mpsc;

    async fn work() {
        let (send, mut receive) = mpsc::channel(16);
        tokio::spawn(async move {
            for job in ["print", "bind"] {
                send.send(job).await.unwrap();
            }
        });
        while let Some(job) = receive.recv().await {
            println!("{job}");
        }
    }
    // ANCHOR_END: channel

    #[tokio::test]
    async fn jobs_are_done() {
        work().await;
    }
}

mod both {
    // ANCHOR: both
    use deferred::Deferred;
    use reactor::ReactorHandle;
    use tokio::runtime::Handle;

    async fn page(url: &'static str) -> String {
        format!("the answer of a library that needs Tokio, for {url}")
    }

    fn fetch(reactor: &ReactorHandle, tokio: &Handle, url: &'static str) -> Deferred<String> {
        let fetching = tokio.spawn(page(url));
        reactor.spawn(async move { Ok(fetching.await?) })
    }
    // ANCHOR_END: both

    #[test]
    fn a_task_is_awaited_in_the_loop() {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let tokio = builder.worker_threads(1).build().expect("a runtime");
        let reactor = reactor::Reactor::new().expect("a reactor");
        let page = fetch(&reactor, tokio.handle(), "a page");
        let page = reactor.block_on(page).expect("it comes");
        assert!(page.ends_with("a page"));
    }
}

mod answer {
    // ANCHOR: answer
    use std::time::Duration;
    use tokio::{sync::oneshot, time::timeout};

    async fn answer(asked: oneshot::Receiver<String>) -> String {
        match timeout(Duration::from_secs(30), asked).await {
            Ok(Ok(name)) => format!("hello, {name}"),
            Ok(Err(_gone)) => "the server has gone".to_owned(),
            Err(_elapsed) => "no answer".to_owned(),
        }
    }

    #[tokio::main(flavor = "current_thread", start_paused = true)]
    async fn main() {
        let (_sender, asked) = oneshot::channel();
        println!("{}", answer(asked).await);
    }
    // ANCHOR_END: answer

    #[test]
    fn nobody_answers() {
        main();
    }

    #[tokio::test]
    async fn somebody_answers_or_goes() {
        let (sender, asked) = oneshot::channel();
        sender.send("Ann".to_owned()).expect("it is waited for");
        assert_eq!(answer(asked).await, "hello, Ann");
        let (sender, asked) = oneshot::channel();
        drop(sender);
        assert_eq!(answer(asked).await, "the server has gone");
    }
}

mod timers {
    // ANCHOR: timers
    use deferred::TimerQueue;
    use tokio::task::spawn_local;
    use tokio::time::{Instant, sleep};

    /// A clock for a loop of Tokio: a `LocalSet` makes its calls.
    fn clock() -> TimerQueue {
        let start = Instant::now();
        let timers = TimerQueue::new(move || start.elapsed());
        timers.on_wakeup(|wakeup| {
            spawn_local(async move {
                sleep(wakeup.delay()).await;
                wakeup.run();
            });
        });
        timers
    }
    // ANCHOR_END: timers

    use std::time::Duration;

    use deferred::{Deferred, TimedOut};

    #[test]
    fn its_calls_are_made_in_time() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build();
        tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), async {
            let (clock, seconds) = (clock(), Duration::from_secs);
            deferred::sleep(&clock, seconds(60))
                .await
                .expect("it is over");
            assert_eq!(clock.now(), seconds(60));

            // Reset to before the others: the runtime hears of it.
            let (ring, rung) = Deferred::pair();
            let alarm = clock.call_later(seconds(60), move || ring.callback(()).expect("once"));
            tokio::task::yield_now().await;
            alarm.reset(seconds(5)).expect("it waits");
            rung.await.expect("it rang");
            assert_eq!(clock.now(), seconds(65));

            let (_trigger, late) = Deferred::<()>::pair();
            let late = late.add_timeout(seconds(3), &clock).await;
            assert!(late.is_err_and(|failure| failure.is::<TimedOut>()));
            assert_eq!(clock.now(), seconds(68));
        });
    }
}

mod wakes {
    // ANCHOR: wakes
    use std::sync::Arc;

    use deferred::driver::{run_woken, set_wake_hook};
    use tokio::sync::Notify;

    /// Polls the async bodies of this thread that other futures wake.
    async fn run_bodies() {
        let woken = Arc::new(Notify::new());
        let notify = Arc::clone(&woken);
        set_wake_hook(move || notify.notify_one());
        loop {
            run_woken();
            woken.notified().await;
        }
    }
    // ANCHOR_END: wakes

    use deferred::driver::reset_wake_hook;
    use deferred::inline_callbacks;
    use std::time::Duration;
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    #[test]
    fn a_body_goes_on_that_a_future_of_another_thread_wakes() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().build().expect("a runtime");
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let driver = tokio::task::spawn_local(run_bodies());
            let (tell, told) = oneshot::channel();
            let (ended, end) = oneshot::channel();
            inline_callbacks(async move {
                // Nothing polls the Deferred of this body: only `run_woken` does.
                let _ = ended.send(told.await?);
                Ok(())
            })
            .detach();
            std::thread::spawn(move || tell.send(42));
            let end = timeout(Duration::from_secs(60), end).await;
            assert_eq!(end.expect("the hook was called"), Ok(42));
            driver.abort();
        });
        reset_wake_hook();
    }
}
