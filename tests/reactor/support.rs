//! Turning a reactor by hand, a protocol that logs its events, and a peer made of a plain
//! socket.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::marker::PhantomData;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use deferred::{Deferred, Result};
use reactor::{
    ConnectionClosed, Context, DatagramContext, DatagramProtocol, Framing, Lines, PollerKind,
    ProcessProtocol, Protocol, Raw, Reactor, Turn,
};

/// Long enough for whatever is waited for on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A reactor; one that waits as it does on systems without epoll, if
/// `REACTOR_TEST_POLLER=portable` asks for that.
pub(crate) fn reactor() -> Reactor {
    let kind = match std::env::var("REACTOR_TEST_POLLER") {
        Ok(kind) if kind == "portable" => PollerKind::Portable,
        Ok(kind) => panic!("no such poller: {kind}"),
        Err(_) => PollerKind::Native,
    };
    Reactor::with_poller(kind).expect("a reactor")
}

/// Turns the loop until `condition` holds.
#[track_caller]
pub(crate) fn turn_until(reactor: &Reactor, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came");
        reactor
            .turn(Some(Duration::from_millis(1)))
            .expect("the loop turns");
    }
}

/// Turns the loop until it has stopped; `each_turn` is what the peer does.
#[track_caller]
pub(crate) fn turn_until_stopped(reactor: &Reactor, mut each_turn: impl FnMut()) {
    let deadline = Instant::now() + PATIENCE;
    while reactor
        .turn(Some(Duration::from_millis(1)))
        .expect("it turns")
        != Turn::Stopped
    {
        assert!(Instant::now() < deadline, "it never stopped");
        each_turn();
    }
}

/// Waits for what other threads do, without turning a loop.
#[track_caller]
pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came");
        thread::yield_now();
    }
}

/// Turns the loop until the Deferred has its result.
#[track_caller]
pub(crate) fn result_of<T: 'static>(reactor: &Reactor, deferred: Deferred<T>) -> Result<T> {
    let slot = Rc::new(RefCell::new(None));
    let sink = Rc::clone(&slot);
    deferred
        .add_both(move |result| {
            sink.replace(Some(result));
        })
        .detach();
    turn_until(reactor, || slot.borrow().is_some());
    slot.take().expect("it was just seen")
}

/// Turns the loop a few times, for effects that have no event to wait for.
#[track_caller]
pub(crate) fn turn_a_few_times(reactor: &Reactor) {
    for _ in 0..5 {
        reactor
            .turn(Some(Duration::from_millis(1)))
            .expect("the loop turns");
    }
}

/// Sees to it that the loop sleeps for as long as it may: nothing is ready.
///
/// A loop that spins never sleeps. Single wake-ups are not held against it: when children of
/// other tests exit, the system may interrupt this thread's wait.
#[track_caller]
pub(crate) fn assert_sleeps(reactor: &Reactor) {
    let has_slept = (0..200).any(|_| {
        let before = reactor.now();
        reactor
            .turn(Some(Duration::from_millis(5)))
            .expect("the loop turns");
        reactor.now() - before >= Duration::from_millis(5)
    });
    assert!(has_slept, "it spins");
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, event: impl Into<String>) {
        self.0.borrow_mut().push(event.into());
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(crate) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    pub(crate) fn has(&self, event: &str) -> bool {
        self.0.borrow().iter().any(|noted| noted == event)
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.0
            .borrow()
            .iter()
            .any(|noted| noted.starts_with("lost"))
    }
}

/// A framing whose frames are bytes.
pub(crate) trait Bytes: for<'a> Framing<Frame<'a> = &'a [u8]> + Default {}
impl<F: for<'a> Framing<Frame<'a> = &'a [u8]> + Default> Bytes for F {}

type Handler<P> = Rc<dyn Fn(&mut Context<'_, P>, &[u8]) -> Result<()>>;

/// A protocol that logs its events, then runs the handler that it was given.
pub(crate) struct Recorder<F: Bytes> {
    pub(crate) log: Log,
    on_made: Handler<Self>,
    on_received: Handler<Self>,
    on_read_closed: Option<Handler<Self>>,
    on_lost: Handler<Self>,
    framing: PhantomData<F>,
}

pub(crate) type RawRecorder = Recorder<Raw>;
pub(crate) type LineRecorder = Recorder<Lines>;

impl<F: Bytes> Clone for Recorder<F> {
    fn clone(&self) -> Self {
        Self {
            log: self.log.clone(),
            on_made: Rc::clone(&self.on_made),
            on_received: Rc::clone(&self.on_received),
            on_read_closed: self.on_read_closed.clone(),
            on_lost: Rc::clone(&self.on_lost),
            framing: PhantomData,
        }
    }
}

impl<F: Bytes> Recorder<F> {
    pub(crate) fn new(log: &Log) -> Self {
        Self {
            log: log.clone(),
            on_made: Rc::new(|_, _| Ok(())),
            on_received: Rc::new(|_, _| Ok(())),
            on_read_closed: None,
            on_lost: Rc::new(|_, _| Ok(())),
            framing: PhantomData,
        }
    }

    pub(crate) fn on_made(
        mut self,
        f: impl Fn(&mut Context<'_, Self>) -> Result<()> + 'static,
    ) -> Self {
        self.on_made = Rc::new(move |cx, _| f(cx));
        self
    }

    pub(crate) fn on_received(
        mut self,
        f: impl Fn(&mut Context<'_, Self>, &[u8]) -> Result<()> + 'static,
    ) -> Self {
        self.on_received = Rc::new(f);
        self
    }

    pub(crate) fn on_read_closed(
        mut self,
        f: impl Fn(&mut Context<'_, Self>) -> Result<()> + 'static,
    ) -> Self {
        self.on_read_closed = Some(Rc::new(move |cx, _| f(cx)));
        self
    }

    pub(crate) fn on_lost(mut self, f: impl Fn(&mut Context<'_, Self>) + 'static) -> Self {
        self.on_lost = Rc::new(move |cx, _| {
            f(cx);
            Ok(())
        });
        self
    }
}

impl<F: Bytes> Protocol for Recorder<F> {
    type Framing = F;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.log.note("made");
        Rc::clone(&self.on_made)(cx, b"")
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, frame: &[u8]) -> Result<()> {
        let text = String::from_utf8_lossy(frame);
        self.log.note(if text.len() > 40 {
            format!("received {} bytes", text.len())
        } else {
            format!("received {text}")
        });
        Rc::clone(&self.on_received)(cx, frame)
    }

    fn read_closed(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.log.note("read closed");
        match self.on_read_closed.clone() {
            Some(handler) => handler(cx, b""),
            None => {
                cx.lose_connection();
                Ok(())
            }
        }
    }

    fn connection_lost(&mut self, cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let reason = match reason {
            ConnectionClosed::Done => "done".to_owned(),
            ConnectionClosed::Aborted => "aborted".to_owned(),
            ConnectionClosed::Lost(_) => "broken".to_owned(),
            ConnectionClosed::Overflow { .. } => "overflow".to_owned(),
            ConnectionClosed::Failed(failure) => format!("failed: {failure}"),
            ConnectionClosed::ReactorStopped => "reactor stopped".to_owned(),
            other => other.to_string(),
        };
        self.log.note(format!("lost: {reason}"));
        let _ = Rc::clone(&self.on_lost)(cx, b"");
    }
}

/// A plain socket on the other side, used from the loop's own thread.
pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the server listens");
        socket.set_nonblocking(true).expect("a socket");
        Self(socket)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).expect("it fits");
    }

    /// Sends what the system takes; gives how much.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> usize {
        self.0.write(bytes).unwrap_or(0)
    }

    /// What has come; `None` at the end, or if the connection broke.
    pub(crate) fn receive(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 64 * 1024];
        match self.0.read(&mut buffer) {
            Ok(0) => None,
            Ok(received) => {
                buffer.truncate(received);
                Some(buffer)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(Vec::new()),
            Err(_) => None,
        }
    }

    /// Turns the loop until the other side ends; gives all that came.
    #[track_caller]
    pub(crate) fn receive_all(&mut self, reactor: &Reactor) -> Vec<u8> {
        let mut all = Vec::new();
        turn_until(reactor, || match self.receive() {
            Some(bytes) => {
                all.extend(bytes);
                false
            }
            None => true,
        });
        all
    }

    /// What comes up to the end, without turning a loop.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        self.0.set_nonblocking(false).expect("a socket");
        let mut all = Vec::new();
        self.0.read_to_end(&mut all).expect("no reset");
        all
    }

    /// Turns the loop until so much came.
    #[track_caller]
    pub(crate) fn receive_some(&mut self, reactor: &Reactor, length: usize) -> Vec<u8> {
        let mut all = Vec::new();
        turn_until(reactor, || {
            all.extend(self.receive().expect("it is not at its end"));
            all.len() >= length
        });
        all
    }
}

/// A reactor with a port whose protocols are clones of one recorder.
pub(crate) fn serve<F: Bytes>(recorder: Recorder<F>) -> (Reactor, SocketAddr) {
    let reactor = reactor();
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || recorder.clone())
        .expect("a free port");
    let address = port.address();
    (reactor, address)
}

/// A counter that callbacks share with the test.
#[derive(Clone, Default)]
pub(crate) struct Count(Rc<Cell<usize>>);

impl Count {
    pub(crate) fn add(&self) -> usize {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }

    pub(crate) fn get(&self) -> usize {
        self.0.get()
    }
}

/// What must not be called.
pub(crate) fn never() {
    unreachable!("it must not be called");
}

/// A protocol of each kind that takes what comes and does nothing.
pub(crate) struct Quiet;

impl Protocol for Quiet {
    type Framing = Raw;
}

impl ProcessProtocol for Quiet {}

impl DatagramProtocol for Quiet {
    type Address = SocketAddr;

    fn datagram_received(
        &mut self,
        _cx: &mut DatagramContext<'_, Self>,
        _datagram: &[u8],
        _from: SocketAddr,
    ) -> Result<()> {
        Ok(())
    }
}
