//! Descriptors that others have, too, stay for them as they were: blocking.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use reactor::{Connection, Reactor};
use rustix::fs::{OFlags, fcntl_getfl};
#[cfg(target_os = "linux")]
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

use crate::datagrams::Recorder;
use crate::support::{
    Log, PATIENCE, RawRecorder, assert_sleeps, reactor, result_of, turn_a_few_times, turn_until,
};
use crate::unix_sockets::Directory;

fn echo(log: &Log) -> RawRecorder {
    RawRecorder::new(log).on_received(|cx, data| {
        cx.write(data);
        Ok(())
    })
}

#[track_caller]
fn assert_blocking(descriptor: impl AsFd) {
    let flags = fcntl_getfl(descriptor).expect("it is open");
    assert!(!flags.contains(OFlags::NONBLOCK));
}

/// Two descriptors that together are a connection, and what is on the other side of them.
struct Ends {
    what: &'static str,
    input: OwnedFd,
    output: OwnedFd,
    to_it: OwnedFd,
    from_it: OwnedFd,
}

fn clone(descriptor: &impl AsFd) -> OwnedFd {
    let descriptor = descriptor.as_fd().try_clone_to_owned();
    descriptor.expect("a descriptor")
}

fn pipes() -> Ends {
    let (input, to_it) = io::pipe().expect("a pipe");
    let (from_it, output) = io::pipe().expect("a pipe");
    Ends {
        what: "pipes",
        input: input.into(),
        output: output.into(),
        to_it: to_it.into(),
        from_it: from_it.into(),
    }
}

fn sockets() -> Ends {
    let (near, far) = UnixStream::pair().expect("a pair");
    Ends {
        what: "a socket",
        input: clone(&near),
        output: near.into(),
        to_it: clone(&far),
        from_it: far.into(),
    }
}

fn named_pipes() -> Ends {
    let directory = Directory::new();
    let open = |name| {
        let path = directory.0.join(name);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let made = rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0);
        made.expect("a pipe");
        let both = File::options().read(true).write(true).open(&path);
        let read = File::open(&path).expect("it is there");
        let write = File::options().write(true).open(&path);
        drop(both);
        (
            OwnedFd::from(read),
            OwnedFd::from(write.expect("it is read")),
        )
    };
    let ((input, to_it), (from_it, output)) = (open("in"), open("out"));
    Ends {
        what: "named pipes",
        input,
        output,
        to_it,
        from_it,
    }
}

/// A terminal whose lines come as they are: the side of the program, and that of the user.
#[cfg(target_os = "linux")]
fn terminal() -> (File, OwnedFd) {
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let user = openpt(flags).expect("a terminal");
    unlockpt(&user).expect("it is ours");
    let name = ptsname(&user, Vec::new()).expect("it has one");
    let name = name.into_string().expect("it is plain");
    let program = File::options().read(true).write(true).open(name);
    let program = program.expect("it was unlocked");
    let mut attributes = tcgetattr(&program).expect("a terminal");
    attributes.make_raw();
    tcsetattr(&program, OptionalActions::Now, &attributes).expect("a terminal");
    (program, user)
}

/// The program's side is opened again.
#[cfg(target_os = "linux")]
fn terminal_of_a_program() -> Ends {
    let (program, user) = terminal();
    Ends {
        what: "a terminal",
        input: clone(&program),
        output: program.into(),
        to_it: clone(&user),
        from_it: user,
    }
}

/// The user's side would be another terminal if it were opened again.
#[cfg(target_os = "linux")]
fn terminal_of_a_user() -> Ends {
    let (program, user) = terminal();
    Ends {
        what: "the other side of a terminal",
        input: clone(&user),
        output: user,
        to_it: clone(&program),
        from_it: program.into(),
    }
}

fn all_kinds() -> Vec<Ends> {
    vec![
        pipes(),
        named_pipes(),
        sockets(),
        #[cfg(target_os = "linux")]
        terminal_of_a_program(),
        #[cfg(target_os = "linux")]
        terminal_of_a_user(),
    ]
}

#[test]
fn what_others_have_too_stays_blocking_and_does_not_hold_up_the_loop() {
    for ends in all_kinds() {
        let (reactor, log) = (reactor(), Log::default());
        let kept = [clone(&ends.input), clone(&ends.output)];
        let connection = reactor
            .adopt_pipes(ends.input, ends.output, echo(&log))
            .expect(ends.what);
        kept.iter().for_each(assert_blocking);
        // Nothing is there to be read.
        assert_sleeps(&reactor);
        let (mut to_it, mut from_it) = (File::from(ends.to_it), File::from(ends.from_it));
        for text in ["one", "two"] {
            to_it.write_all(text.as_bytes()).expect(ends.what);
            turn_until(&reactor, || log.has(&format!("received {text}")));
            turn_a_few_times(&reactor);
            let mut back = [0; 3];
            from_it.read_exact(&mut back).expect(ends.what);
            assert_eq!(back, text.as_bytes(), "{}", ends.what);
        }
        kept.iter().for_each(assert_blocking);
        connection.lose_connection();
        turn_until(&reactor, || connection.is_gone());
        kept.iter().for_each(assert_blocking);
        assert_sleeps(&reactor);
    }
}

/// Writes more than fits, and turns the loop until the system takes no more.
fn fill(reactor: &Reactor, connection: &Connection<RawRecorder>, bytes: &[u8]) {
    connection.write(bytes).expect("it is there");
    turn_a_few_times(reactor);
    assert!(connection.buffered().expect("it is there") > 0);
    assert_sleeps(reactor);
}

#[test]
fn a_reader_that_is_slow_does_not_hold_up_the_loop() {
    for ends in all_kinds() {
        let (reactor, log) = (reactor(), Log::default());
        let connection = reactor
            .adopt_pipes(ends.input, clone(&ends.output), echo(&log))
            .expect(ends.what);
        let all: Vec<_> = (0..500_000_u32).map(|n| (n % 251) as u8).collect();
        fill(&reactor, &connection, &all);
        assert_blocking(&ends.output);
        let (length, from_it) = (all.len(), ends.from_it);
        let reading = thread::spawn(move || {
            let mut got = vec![0; length];
            File::from(from_it).read_exact(&mut got).expect("it comes");
            got
        });
        turn_until(&reactor, || reading.is_finished());
        assert_eq!(reading.join().expect("no panic"), all, "{}", ends.what);
        drop(ends.output);
    }
}

#[test]
fn a_named_pipe_whose_last_writer_has_gone_is_at_its_end() {
    for sent in ["", "the rest"] {
        let (reactor, log, ends) = (reactor(), Log::default(), named_pipes());
        let mut to_it = File::from(ends.to_it);
        to_it.write_all(sent.as_bytes()).expect("it fits");
        drop(to_it);
        let connection = reactor
            .adopt_pipes(ends.input, ends.output, echo(&log))
            .expect("it can be watched");
        turn_until(&reactor, || connection.is_gone());
        assert!(log.has("read closed"));
        assert_eq!(log.has("received the rest"), !sent.is_empty());
    }
}

#[test]
fn an_adopted_socket_that_others_have_too_stays_blocking() {
    let (reactor, log) = (reactor(), Log::default());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (unix_near, unix_far) = UnixStream::pair().expect("a pair");
    let tcp_far = TcpStream::connect(address).expect("it listens");
    let (tcp_near, _) = listener.accept().expect("it was connected");
    let sockets: [(OwnedFd, OwnedFd); 2] = [
        (unix_near.into(), unix_far.into()),
        (tcp_near.into(), tcp_far.into()),
    ];
    for (near, far) in sockets {
        let kept = clone(&near);
        let connection = reactor
            .adopt_stream(near, echo(&log))
            .expect("it is connected");
        assert_blocking(&kept);
        assert_sleeps(&reactor);
        let mut far = File::from(far);
        far.write_all(b"hello").expect("it fits");
        turn_until(&reactor, || log.has("received hello"));
        let mut back = [0; 5];
        far.read_exact(&mut back).expect("it is echoed");
        fill(&reactor, &connection, &vec![7; 12_000_000]);
        connection.abort();
        turn_until(&reactor, || connection.is_gone());
        assert_blocking(&kept);
        log.clear();
    }
}

#[test]
fn an_adopted_datagram_socket_that_others_have_too_stays_blocking() {
    let (reactor, log) = (reactor(), Log::default());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let kept = clone(&socket);
    let port = reactor
        .adopt_datagram_port(socket, Recorder::<std::net::SocketAddr>::new(&log))
        .expect("it is bound");
    assert_blocking(&kept);
    assert_sleeps(&reactor);
    port.send_to("hello", port.address()).expect("it is sent");
    turn_until(&reactor, || log.has("received hello"));
    turn_a_few_times(&reactor);
    result_of(&reactor, port.stop_listening()).expect("it closes");
    assert_blocking(&kept);

    // Where there is no room, sending does not wait either.
    let (near, _far) = UnixDatagram::pair().expect("a pair");
    let kept = clone(&near);
    let log = Log::default();
    let port = reactor
        .adopt_datagram_port(near, Recorder::<reactor::UnixAddress>::new(&log))
        .expect("it is connected");
    while port.queued() == 0 {
        port.send("x").expect("it is queued at the worst");
    }
    assert_blocking(&kept);
}

/// Set in the processes whose standard output is a pipe; says what they do.
const ROLE: &str = "REACTOR_TEST_SHARED";

const LINES: usize = 60_000;

/// Runs the test `name` in a process with pipes for its standard streams.
fn in_a_process(name: &str) -> Child {
    Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", &format!("shared_descriptors::{name}")])
        .args(["--test-threads=1", "--nocapture"])
        .env(ROLE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// Reads the lines that the process prints, but not before its pipe is full.
#[track_caller]
fn count_lines(mut child: Child) -> usize {
    let mut told = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while line.trim() != "begins" {
        line.clear();
        assert_ne!(told.read_line(&mut line).expect("a pipe"), 0, "it ends");
    }
    let output = child.stdout.take().expect("a pipe");
    let deadline = std::time::Instant::now() + PATIENCE;
    let is_full = || {
        let unread = rustix::io::ioctl_fionread(&output).expect("a pipe");
        unread >= 60_000
    };
    while !is_full() {
        assert!(std::time::Instant::now() < deadline, "it is never full");
        thread::yield_now();
    }
    let rest = thread::spawn(move || {
        let mut rest = String::new();
        told.read_to_string(&mut rest).expect("a pipe");
        rest
    });
    let lines = BufReader::new(output).lines();
    let count = lines
        .filter(|line| line.as_ref().expect("a line").contains("a line to print"))
        .count();
    let status = child.wait().expect("it ends");
    let rest = rest.join().expect("no panic");
    assert!(status.success(), "{rest}");
    count
}

fn is_in_a_process() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// A reactor with a connection to standard input and output.
fn with_stdio() -> (Reactor, Connection<RawRecorder>) {
    let reactor = reactor();
    let connection = reactor
        .stdio(RawRecorder::new(&Log::default()))
        .expect("it can be watched");
    (reactor, connection)
}

#[test]
fn printing_waits_for_a_full_pipe() {
    if is_in_a_process() {
        let (_reactor, _connection) = with_stdio();
        eprintln!("begins");
        for number in 0..LINES {
            println!("a line to print: {number}");
        }
        return;
    }
    assert_eq!(
        count_lines(in_a_process("printing_waits_for_a_full_pipe")),
        LINES
    );
}

#[test]
fn a_child_that_inherits_standard_output_loses_nothing() {
    if is_in_a_process() {
        let (reactor, _connection) = with_stdio();
        eprintln!("begins");
        let script = format!("yes 'a line to print' | head -n {LINES}");
        let all = reactor::Command::new("sh")
            .args(["-c", &script])
            .status(&reactor);
        assert!(result_of(&reactor, all).expect("it runs").success());
        return;
    }
    let child = in_a_process("a_child_that_inherits_standard_output_loses_nothing");
    assert_eq!(count_lines(child), LINES);
}

#[test]
fn what_the_connection_writes_waits_without_holding_up_the_loop() {
    if is_in_a_process() {
        let (reactor, connection) = with_stdio();
        eprintln!("begins");
        let all = "a line to print\n".repeat(LINES);
        connection.write(all).expect("it is there");
        let mut turns = 0;
        turn_until(&reactor, || {
            turns += 1;
            connection.buffered().expect("it is there") == 0
        });
        assert!(turns > 1);
        return;
    }
    let child = in_a_process("what_the_connection_writes_waits_without_holding_up_the_loop");
    assert_eq!(count_lines(child), LINES);
}

#[test]
fn a_pipe_that_cannot_be_opened_again_does_not_hold_up_the_loop() {
    if !is_in_a_process() {
        let child = in_a_process("a_pipe_that_cannot_be_opened_again_does_not_hold_up_the_loop");
        let output = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        return;
    }
    thread::spawn(|| {
        thread::sleep(PATIENCE); // a loop that waits for ever would not end by itself
        std::process::exit(1);
    });
    let limit = rustix::process::Rlimit {
        current: Some(60),
        maximum: Some(60),
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("it is lower");
    let (reactor, log, ends) = (reactor(), Log::default(), pipes());
    let kept = [clone(&ends.input), clone(&ends.output)];
    let mut all = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        all.push(file);
    }
    let connection = reactor
        .adopt_pipes(ends.input, ends.output, echo(&log))
        .expect("it needs no other descriptor");
    drop(all);
    assert_sleeps(&reactor);
    let mut to_it = File::from(ends.to_it);
    // As much as one read takes, so that another one is tried.
    to_it.write_all(&[7; 65536]).expect("it fits");
    turn_until(&reactor, || log.len() > 1);
    assert_sleeps(&reactor);
    let written: Vec<_> = (0..500_000_u32).map(|n| (n % 251) as u8).collect();
    fill(&reactor, &connection, &written);
    kept.iter().for_each(assert_blocking);
    let (length, from_it) = (65536 + written.len(), ends.from_it);
    let reading = thread::spawn(move || {
        let mut got = vec![0; length];
        File::from(from_it).read_exact(&mut got).expect("it comes");
        got
    });
    turn_until(&reactor, || reading.is_finished());
    let got = reading.join().expect("no panic");
    assert_eq!(got[..65536], [7; 65536]);
    assert_eq!(got[65536..], written);
}
