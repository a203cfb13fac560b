//! Values of users whose drops panic, wherever the loop drops them: each is dropped, and
//! the panic gets no further.

use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use deferred::{Deferred, succeed};
use reactor::testing::TestReactor;
use reactor::{
    Address, BlockingCallError, Context, Cores, Factory, Phase, Protocol, Raw, ReactorHandle,
    Resolver, SystemEvent,
};

use crate::support::{Log, RawRecorder, reactor, result_of, turn_until, wait_until};

/// Panics when it is dropped, and counts that.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("in a drop");
    }
}

/// Makes bombs, and counts those that went off.
#[derive(Clone, Default)]
struct Bombs {
    made: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Bombs {
    fn make(&self) -> Bomb {
        self.made.fetch_add(1, Ordering::SeqCst);
        Bomb(Arc::clone(&self.dropped))
    }

    fn are_dropped(&self) -> bool {
        self.made.load(Ordering::SeqCst) == self.dropped.load(Ordering::SeqCst)
    }

    /// A closure that has one.
    fn closure(&self) -> impl FnOnce() + Send + 'static {
        let bomb = self.make();
        move || drop(bomb)
    }
}

struct BombProtocol {
    _bomb: Bomb,
}

impl Protocol for BombProtocol {
    type Framing = Raw;

    fn received(&mut self, _cx: &mut Context<'_, Self>, _data: &[u8]) -> deferred::Result<()> {
        Ok(())
    }
}

struct BombFactory(Bombs, Option<Bomb>);

impl Factory for BombFactory {
    type Protocol = BombProtocol;

    fn build_protocol(&mut self, _peer: &Address) -> Option<BombProtocol> {
        let _held = &self.1;
        Some(BombProtocol {
            _bomb: self.0.make(),
        })
    }
}

struct BombResolver(Option<Bomb>);

impl Resolver for BombResolver {
    fn resolve(&self, _: &ReactorHandle, _: &str, _: u16) -> Deferred<Vec<SocketAddr>> {
        let _held = &self.0;
        succeed(Vec::new())
    }
}

/// What a loop is given to keep.
fn fill(reactor: &ReactorHandle, bombs: &Bombs) {
    for _ in 0..2 {
        reactor
            .remote()
            .call_from_thread({
                let bomb = bombs.make();
                move |_reactor| drop(bomb)
            })
            .ok();
        for event in [SystemEvent::Shutdown, SystemEvent::Custom("another")] {
            reactor.add_system_event_trigger(Phase::Before, event, bombs.closure());
            reactor.add_system_event_trigger(Phase::After, event, bombs.closure());
        }
        reactor.call_when_running(bombs.closure());
        reactor.call_later(Duration::from_secs(100), bombs.closure());
        reactor.set_resolver(BombResolver(Some(bombs.make())));
        let bomb = bombs.make();
        reactor
            .spawn(async move {
                let _bomb = bomb;
                std::future::pending::<()>().await;
                Ok(())
            })
            .ignore();
    }
}

/// What a loop with sockets is given to keep.
fn fill_with_sockets(reactor: &ReactorHandle, bombs: &Bombs) {
    for _ in 0..2 {
        let factory = BombFactory(bombs.clone(), Some(bombs.make()));
        let port = reactor.listen_tcp("127.0.0.1:0", factory);
        let (end, _other) = UnixStream::pair().unwrap();
        let bomb = bombs.make();
        let watched = reactor.add_reader(end, move |_| {
            let _bomb = &bomb;
        });
        drop((port, watched));
    }
    fill_with_threads(reactor, bombs);
}

fn fill_with_threads(reactor: &ReactorHandle, bombs: &Bombs) {
    for _ in 0..2 {
        let job = reactor.defer_to_thread({
            let bomb = bombs.make();
            move || {
                drop(bomb);
                Ok(())
            }
        });
        job.ignore();
        // No thread is left for it to be dropped in, if the loop is gone.
        drop(reactor.call_in_thread(bombs.closure()));
    }
}

#[test]
fn a_loop_that_is_dropped_with_all_of_them() {
    let bombs = Bombs::default();
    let log = Log::default();
    let reactor = reactor();
    let port = reactor
        .listen_tcp("127.0.0.1:0", {
            let log = log.clone();
            move || RawRecorder::new(&log)
        })
        .unwrap();
    let address = port.address();
    let client = std::net::TcpStream::connect(address).unwrap();
    turn_until(&reactor, || log.has("made"));
    fill(&reactor, &bombs);
    fill_with_sockets(&reactor, &bombs);
    drop(reactor);
    wait_until(|| bombs.are_dropped());
    assert!(log.is_lost(), "{:?}", log.events());
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "the port is closed"
    );
    drop(client);
}

#[test]
fn a_loop_that_is_gone_already() {
    let bombs = Bombs::default();
    let reactor = reactor();
    let handle = reactor.handle();
    let remote = reactor.remote();
    drop(reactor);
    fill(&handle, &bombs);
    fill_with_threads(&handle, &bombs);
    let (end, _other) = UnixStream::pair().unwrap();
    let bomb = bombs.make();
    let watched = handle.add_reader(end, move |_| {
        let _bomb = &bomb;
    });
    assert!(watched.is_err());
    let bomb = bombs.make();
    remote.call_from_thread(move |_| drop(bomb)).unwrap_err();
    let bomb = bombs.make();
    let answer = remote.blocking_call_from_thread(move |_| {
        drop(bomb);
        Ok(())
    });
    assert!(answer.is_err());
    wait_until(|| bombs.are_dropped());
}

#[test]
fn a_loop_that_is_stopped() {
    let bombs = Bombs::default();
    let reactor = TestReactor::new();
    fill(&reactor, &bombs);
    reactor.shut_down();
    drop(reactor);
    assert!(bombs.are_dropped());
}

#[test]
fn a_trigger_that_is_removed() {
    let bombs = Bombs::default();
    let reactor = TestReactor::new();
    let trigger =
        reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, bombs.closure());
    reactor.remove_system_event_trigger(trigger).unwrap();
    assert!(bombs.are_dropped());
}

#[test]
fn a_body_whose_drop_panics() {
    let bombs = Bombs::default();
    let reactor = reactor();
    // One that ends at once, one that ends later, one that is cancelled.
    let bomb = bombs.make();
    let done = reactor.spawn(async move {
        let _bomb = bomb;
        Ok(1)
    });
    drop(result_of(&reactor, done));
    let (trigger, deferred) = Deferred::<u32>::pair();
    let held = bombs.make();
    let later = reactor.spawn(std::future::poll_fn({
        let mut deferred = deferred;
        move |cx| {
            let _held = &held;
            std::pin::Pin::new(&mut deferred).poll(cx)
        }
    }));
    let (start, forwarded) = Deferred::pair();
    later.chain_deferred(start).ignore();
    trigger.callback(2).unwrap();
    assert_eq!(result_of(&reactor, forwarded).unwrap(), 2);
    assert!(bombs.are_dropped());
}

#[test]
fn cores_that_are_dropped_in_one_of_their_loops() {
    let cores = Cores::start(2, |_reactor, _number| Ok(())).unwrap();
    let remotes = cores.remotes();
    let (tell, told) = mpsc::channel();
    remotes[0]
        .call_from_thread(move |_reactor| {
            drop(cores);
            tell.send(()).unwrap();
        })
        .unwrap();
    told.recv_timeout(Duration::from_secs(60))
        .expect("it neither panics nor waits for itself");
    // They are stopped all the same.
    wait_until(|| {
        remotes
            .iter()
            .all(|remote| remote.call_from_thread(|_reactor| ()).is_err())
    });

    let cores = Cores::start(2, |_reactor, _number| Ok(())).unwrap();
    let remote = cores.remotes().remove(0);
    let (tell, told) = mpsc::channel();
    remote
        .call_from_thread(move |_reactor| tell.send(cores.join()).unwrap())
        .unwrap();
    let joined = told.recv_timeout(Duration::from_secs(60)).unwrap();
    let failure = joined.unwrap_err();
    assert!(matches!(
        failure.check(),
        Some(BlockingCallError::LoopThread)
    ));
}
