//! A stop sends what was written before it, over each kind of stream, for a limited time.

use std::cell::Cell;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use deferred::defer_later;
use reactor::testing;
use reactor::{
    Command, Connection, Consumer, Phase, ProcessContext, ProcessEnded, ProcessProtocol, Producer,
    Production, PullProducer, PushProducer, SystemEvent, pump,
};
use socket2::SockRef;

use crate::support::{
    Log, Peer, Quiet, RawRecorder, reactor, serve, turn_until, turn_until_stopped, wait_until,
};

const SECOND: Duration = Duration::from_secs(1);
const MB: usize = 1024 * 1024;

/// More than the network of a test takes while the peer does not read.
const MUCH: usize = 300_000;

/// Writes `size` bytes, and stops the loop in the same handler.
fn writes_and_stops(log: &Log, size: usize) -> RawRecorder {
    RawRecorder::new(log).on_received(move |cx, _| {
        cx.write(vec![b'x'; size]);
        cx.reactor().stop();
        Ok(())
    })
}

/// Reads to the end in another thread, once something is sent to it; gives how much came. So the
/// peer is slow, and still done long before the loop gives up, also on a busy computer.
fn read_later(
    mut stream: impl Read + Send + 'static,
) -> (mpsc::Sender<()>, thread::JoinHandle<usize>) {
    let (begin, begins) = mpsc::channel();
    let reading = thread::spawn(move || {
        begins.recv().expect("it begins");
        let (mut all, mut buffer) = (0, vec![0; 64 * 1024]);
        loop {
            match stream.read(&mut buffer).expect("it ends in order") {
                0 => return all,
                received => all += received,
            }
        }
    });
    (begin, reading)
}

#[test]
fn what_a_handler_has_written_is_sent_over_tcp_to_a_slow_peer() {
    let log = Log::default();
    let (reactor, address) = serve(writes_and_stops(&log, 64 * MB));
    let mut peer = Peer::connect(address);
    peer.send("all of it");
    turn_until(&reactor, || log.len() == 2);
    let mut received = 0;
    turn_until_stopped(&reactor, || {
        received += peer.receive().map_or(0, |bytes| bytes.len());
        // Nothing is left to be sent once the protocol hears of the end.
        assert!(!log.is_lost() || received > 32 * MB);
    });
    assert!(log.has("lost: reactor stopped"), "{:?}", log.events());
    let rest = peer.read_to_end();
    assert_eq!(received + rest.len(), 64 * MB);
}

#[test]
fn what_a_handler_has_written_is_sent_over_unix_sockets() {
    let (reactor, log) = (reactor(), Log::default());
    let (near, far) = UnixStream::pair().expect("a pair");
    let (begin, reading) = read_later(far.try_clone().expect("a clone"));
    let connection = reactor
        .adopt_stream(near, writes_and_stops(&log, 16 * MB))
        .expect("a socket");
    std::io::Write::write_all(&mut &far, b"go").expect("it fits");
    turn_until(&reactor, || log.len() == 2);
    assert!(!connection.is_gone(), "nothing was read");
    begin.send(()).expect("it waits");
    turn_until_stopped(&reactor, || {});
    assert!(connection.is_gone());
    assert_eq!(reading.join().expect("it has read"), 16 * MB);
    assert!(log.has("lost: reactor stopped"), "{:?}", log.events());
}

#[test]
fn what_a_handler_has_written_is_sent_over_pipes() {
    let (reactor, log) = (reactor(), Log::default());
    let (_input_of_peer, input) = pipe_pair();
    let (output, output_of_peer) = pipe_pair();
    let (begin, reading) = read_later(output_of_peer);
    let recorder = RawRecorder::new(&log).on_made(|cx| {
        cx.write(vec![b'x'; 4 * MB]);
        let reactor = cx.reactor().clone();
        cx.reactor().call_when_running(move || reactor.stop());
        Ok(())
    });
    reactor
        .adopt_pipes(input, output, recorder)
        .expect("two pipes");
    reactor.turn(Some(Duration::ZERO)).expect("it turns");
    assert_eq!(log.events(), ["made"], "nothing was read");
    begin.send(()).expect("it waits");
    turn_until_stopped(&reactor, || {});
    assert_eq!(reading.join().expect("it has read"), 4 * MB);
    assert_eq!(log.events(), ["made", "lost: reactor stopped"]);
}

/// The two ends of a pipe: to write to, to read from.
fn pipe_pair() -> (std::io::PipeWriter, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (writer, reader)
}

#[test]
fn what_a_handler_has_written_is_sent_in_memory() {
    testing::run(|reactor| {
        let log = Log::default();
        let (_connection, peer) = reactor.connect_to_peer(writes_and_stops(&log, MUCH));
        peer.set_reading(false);
        peer.send("all of it");
        reactor.advance(SECOND);
        assert!(reactor.is_running() && !log.is_lost());
        peer.set_reading(true);
        assert_eq!(peer.received().len(), MUCH);
        assert!(peer.is_closed() && !peer.was_reset());
        assert!(log.has("lost: reactor stopped"));
        assert!(reactor.delayed_calls().is_empty());
    });
}

#[test]
fn a_stop_waits_for_the_slowest_of_several_connections() {
    testing::run(|reactor| {
        let connections = [(); 3].map(|()| {
            let log = Log::default();
            let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
            peer.set_reading(false);
            connection.write(vec![b'x'; MUCH]).expect("it is there");
            (peer, log)
        });
        let has_stopped = Rc::new(Cell::new(false));
        let note = Rc::clone(&has_stopped);
        reactor.add_system_event_trigger(Phase::After, SystemEvent::Shutdown, move || {
            note.set(true);
        });
        reactor.stop();
        for (peer, log) in &connections {
            reactor.advance(SECOND);
            assert!(!has_stopped.get() && !log.is_lost());
            peer.set_reading(true);
            assert_eq!(peer.received().len(), MUCH);
            assert!(peer.is_closed() && !peer.was_reset());
            assert_eq!(log.events(), ["made", "lost: reactor stopped"]);
        }
        assert!(has_stopped.get());
    });
}

#[test]
fn connections_with_nothing_to_send_end_at_once() {
    testing::run(|reactor| {
        let (idle, busy) = (Log::default(), Log::default());
        let (_idle, idle_peer) = reactor.connect_to_peer(RawRecorder::new(&idle));
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&busy));
        peer.set_reading(false);
        connection.write(vec![0; MUCH]).expect("it is there");
        reactor.stop();
        reactor.settle();
        assert_eq!(idle.events(), ["made", "lost: reactor stopped"]);
        assert!(idle_peer.is_closed());
        assert!(!busy.is_lost());
        // It takes no input and no writes any more.
        peer.send("too late");
        assert!(connection.write("too late").is_err());
        peer.set_reading(true);
        assert_eq!(peer.received().len(), MUCH);
        assert_eq!(busy.events(), ["made", "lost: reactor stopped"]);
    });
}

#[test]
fn a_peer_that_never_reads_is_given_up_after_the_timeout() {
    // That of the shutdown, and that of the connection's close.
    for (shutdown, close) in [(10, 30), (60, 30)] {
        testing::run(|reactor| {
            let log = Log::default();
            let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
            peer.set_reading(false);
            connection.write(vec![0; MUCH]).expect("it is there");
            reactor.set_shutdown_timeout(shutdown * SECOND);
            reactor.settle();
            reactor.stop();
            let limit = shutdown.min(close);
            reactor.advance((limit - 1) * SECOND);
            assert!(reactor.is_running() && !log.is_lost());
            reactor.advance(SECOND);
            assert!(!reactor.is_running());
            let reason = if shutdown < close {
                "lost: reactor stopped"
            } else {
                "lost: aborted"
            };
            assert_eq!(log.events(), ["made", reason]);
            assert!(reactor.delayed_calls().is_empty());
        });
    }
}

#[test]
fn what_triggers_and_timers_write_last_is_sent_too() {
    testing::run(|reactor| {
        let log = Log::default();
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
        let (handle, last) = (reactor.handle(), connection.clone());
        reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            let again = last.clone();
            last.write("closing ").expect("it is there");
            defer_later(&handle, SECOND, move || Ok(again.write("time")?))
        });
        let handle = reactor.handle();
        reactor.call_later(SECOND, move || {
            connection.write("it is ").expect("it is there");
            handle.stop();
            Ok(())
        });
        reactor.advance(3 * SECOND);
        assert!(!reactor.is_running());
        assert_eq!(peer.received(), b"it is closing time");
        assert_eq!(log.events(), ["made", "lost: reactor stopped"]);
    });
}

#[test]
fn unread_input_does_not_cost_the_peer_what_was_sent() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_made(|cx| {
        cx.pause_reading();
        cx.write(vec![b'x'; 100_000]);
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    turn_until(&reactor, || log.has("made"));
    // A reset would take with it what the peer's system has not acknowledged.
    SockRef::from(&peer.0)
        .set_recv_buffer_size(4096)
        .expect("a socket");
    peer.send(vec![0; 50_000]);
    reactor.stop();
    turn_until_stopped(&reactor, || {});
    let all = peer.read_to_end();
    assert_eq!(all.len(), 100_000);
}

#[test]
fn a_connection_that_lingers_at_the_stop_does_not_reset_either() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_made(|cx| {
        cx.write(vec![b'x'; 100_000]);
        cx.lose_connection();
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    turn_until(&reactor, || log.has("lost: done"));
    peer.send(vec![0; 50_000]);
    reactor.stop();
    turn_until_stopped(&reactor, || {});
    drop(reactor);
    let all = peer.read_to_end();
    assert_eq!(all.len(), 100_000);
}

/// Never has enough.
struct Endless(Log);

impl PushProducer for Endless {
    fn pause_producing(&self) {}
    fn resume_producing(&self) {}
    fn stop_producing(&self) {
        self.0.note("stopped");
    }
}

/// Writes `0` more pieces.
struct Pieces(usize);

impl PullProducer for Pieces {
    fn resume_producing(&mut self, consumer: &mut Consumer<'_>) -> deferred::Result<Production> {
        consumer.write([b'x'; 10_000]);
        self.0 -= 1;
        Ok(match self.0 {
            0 => Production::Done,
            _ => Production::More,
        })
    }
}

#[test]
fn a_push_producer_is_stopped_and_a_pull_producer_may_finish() {
    testing::run(|reactor| {
        let (log, pushed, pulled) = (Log::default(), Log::default(), Log::default());
        let (push, push_peer) = reactor.connect_to_peer(RawRecorder::new(&pushed));
        push.register_producer(Producer::push(Endless(log.clone())))
            .expect("the first");
        push.write("news").expect("it is there");
        let (pull, pull_peer) = reactor.connect_to_peer(RawRecorder::new(&pulled));
        pull_peer.set_reading(false);
        pull.register_producer(Producer::pull(Pieces(30)))
            .expect("the first");
        reactor.settle();
        reactor.stop();
        reactor.settle();
        assert_eq!(log.events(), ["stopped"]);
        assert_eq!(push_peer.received(), b"news");
        assert_eq!(pushed.events(), ["made", "lost: reactor stopped"]);
        assert!(!pulled.is_lost());
        pull_peer.set_reading(true);
        assert_eq!(pull_peer.received().len(), 300_000);
        assert_eq!(pulled.events(), ["made", "lost: reactor stopped"]);
    });
}

#[test]
fn both_ends_of_a_pump_hear_that_the_reactor_has_stopped() {
    testing::run(|reactor| {
        let (left, right) = (Log::default(), Log::default());
        let (a, from) = reactor.connect_to_peer(RawRecorder::new(&left));
        let (b, to) = reactor.connect_to_peer(RawRecorder::new(&right));
        pump(&a, &b).ignore();
        pump(&b, &a).ignore();
        to.set_reading(false);
        from.send(vec![0; 100_000]);
        reactor.stop();
        reactor.settle();
        to.set_reading(true);
        assert_eq!(to.received().len(), 100_000);
        for log in [left, right] {
            assert_eq!(log.events(), ["made", "lost: reactor stopped"]);
        }
    });
}

#[test]
fn half_closed_connections_send_the_rest() {
    testing::run(|reactor| {
        let log = Log::default();
        let recorder = RawRecorder::new(&log).on_read_closed(|_| Ok(()));
        let (connection, peer) = reactor.connect_to_peer(recorder);
        peer.set_reading(false);
        peer.finish();
        connection.write(vec![0; MUCH]).expect("it is there");
        connection.lose_write_connection();
        reactor.settle();
        reactor.stop();
        reactor.settle();
        assert!(!log.is_lost());
        peer.set_reading(true);
        assert_eq!(peer.received().len(), MUCH);
        assert_eq!(
            log.events(),
            ["made", "read closed", "lost: reactor stopped"]
        );
    });
}

#[test]
fn a_crash_from_a_handler_of_the_end_leaves_the_others_and_no_timer() {
    testing::run(|reactor| {
        let log = Log::default();
        let crashing = RawRecorder::new(&log).on_lost(|cx| cx.reactor().crash());
        let (_first, _first_peer) = reactor.connect_to_peer(crashing);
        reactor.settle();
        reactor.stop();
        reactor.turn();
        assert!(!reactor.is_running());
        assert!(reactor.delayed_calls().is_empty());
        // It runs again, and stops as ever.
        reactor.settle();
        reactor.stop();
        reactor.settle();
        assert!(!reactor.is_running());
    });
}

#[test]
fn a_reactor_that_is_dropped_sends_what_the_system_takes_at_once() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log).on_made(|cx| {
        cx.pause_reading();
        Ok(())
    }));
    let connections = Rc::new(Cell::new(None));
    let keep = Rc::clone(&connections);
    let recorder = RawRecorder::new(&Log::default()).on_made(move |cx| {
        keep.set(Some(cx.connection()));
        Ok(())
    });
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || recorder.clone())
        .expect("a port");
    let (mut unread, mut peer) = (Peer::connect(address), Peer::connect(port.address()));
    unread.send("not read");
    let mut connection = None::<Connection<RawRecorder>>;
    turn_until(&reactor, || {
        connection = connection.take().or_else(|| connections.take());
        connection.is_some() && log.has("made")
    });
    let connection = connection.expect("it was just there");
    connection.write("goodbye").expect("it is there");
    drop(reactor);
    assert_eq!(unread.read_to_end(), b"");
    assert_eq!(peer.read_to_end(), b"goodbye");
    assert!(log.has("lost: reactor stopped"));
}

/// Writes to the input of its child, and stops the loop.
struct Writer {
    size: usize,
    log: Log,
}

impl ProcessProtocol for Writer {
    fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
        cx.write(vec![b'x'; self.size])?;
        let reactor = cx.reactor().clone();
        cx.reactor().call_when_running(move || reactor.stop());
        Ok(())
    }

    fn out_received(
        &mut self,
        _cx: &mut ProcessContext<'_, Self>,
        data: &[u8],
    ) -> deferred::Result<()> {
        self.log.note(format!("{}", data.len()));
        Ok(())
    }

    fn process_ended(&mut self, _cx: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
        self.log.note(ended.to_string());
    }
}

#[test]
fn what_was_written_to_a_child_arrives_before_its_pipes_are_closed() {
    let path = std::env::temp_dir().join(format!("reactor-flush-{}", std::process::id()));
    let (reactor, log) = (reactor(), Log::default());
    let writer = Writer {
        size: 4 * MB,
        log: log.clone(),
    };
    let script = format!("cat > {}", path.display());
    reactor
        .spawn_process(Command::new("sh").arg("-c").arg(script), writer)
        .expect("a child");
    turn_until_stopped(&reactor, || {});
    let end = log.events().pop().expect("it has ended");
    assert_eq!(end, ProcessEnded::ReactorStopped.to_string());
    // What is in the pipe is still taken by the child.
    wait_until(|| std::fs::metadata(&path).is_ok_and(|file| file.len() >= 4 * MB as u64));
    std::fs::remove_file(&path).expect("it was made");
}

#[test]
fn the_output_of_a_child_is_read_while_its_input_is_written() {
    let (reactor, log) = (reactor(), Log::default());
    let writer = Writer {
        size: 4 * MB,
        log: log.clone(),
    };
    // `cat` takes nothing while its output is not taken.
    reactor
        .spawn_process(Command::new("cat"), writer)
        .expect("a child");
    turn_until_stopped(&reactor, || {});
    let mut events = log.events();
    let end = events.pop().expect("it has ended");
    assert_eq!(end, ProcessEnded::ReactorStopped.to_string());
    let read: usize = events
        .iter()
        .map(|size| size.parse::<usize>().unwrap())
        .sum();
    assert!(read > 3 * MB, "{read}");
}

#[test]
fn a_child_that_takes_nothing_is_given_up_after_the_timeout() {
    let (reactor, log) = (reactor(), Log::default());
    let writer = Writer {
        size: MB,
        log: log.clone(),
    };
    reactor.set_shutdown_timeout(Duration::from_millis(50));
    let child = reactor
        .spawn_process(Command::new("sleep").arg("1000"), writer)
        .expect("a child");
    let pid = child.pid();
    turn_until_stopped(&reactor, || {});
    assert_eq!(log.events(), [ProcessEnded::ReactorStopped.to_string()]);
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is there");
}

#[test]
fn a_loop_with_children_that_have_nothing_to_read_stops_at_once() {
    let reactor = reactor();
    let child = reactor
        .spawn_process(Command::new("cat"), Quiet)
        .expect("a child");
    let handle = reactor.handle();
    reactor.call_when_running(move || handle.stop());
    let mut turns = 0;
    turn_until_stopped(&reactor, || turns += 1);
    assert!(turns <= 1 && child.is_gone());
}
