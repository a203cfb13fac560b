//! A link between two hosts that goes down in the middle of a transfer, and comes up again.
//!
//! The hosts are network namespaces, if the user of the tests may create some;
//! elsewhere, the test is skipped.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use reactor::Reactor;

use crate::relay::{Known, Sink, Source};
use crate::support::{PATIENCE, alone, in_a_process, role};

const NAME: &str = "link_down::a_transfer_goes_on_when_its_link_was_down";

/// More than what is on its way at one time.
const LENGTH: usize = 32 * 1024 * 1024;

const NEAR: &str = "10.0.0.1";
const FAR: &str = "10.0.0.2";

#[test]
fn a_transfer_goes_on_when_its_link_was_down() {
    match role().as_deref() {
        Some("near") => return near(),
        Some("far") => return far(),
        _ => {}
    }
    let _alone = alone();
    let works = |command: &mut Command| {
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    let try_it = "ip link add near type veth peer name far";
    if !works(Command::new("unshare").args(["-rn", "sh", "-c", try_it])) {
        println!("skipped: there are no network namespaces, or no links for them");
        return;
    }
    let run = in_a_namespace(&["-rn"], "near")
        .status()
        .expect("it starts");
    assert!(run.success());
}

/// This test again, in namespaces of its own.
fn in_a_namespace(which: &[&str], role: &str) -> Command {
    let inner = in_a_process(NAME, role);
    let mut command = Command::new("unshare");
    command.args(which).arg(inner.get_program());
    command.args(inner.get_args()).env("SOAK_ROLE", role);
    command
}

fn ip(arguments: &str) {
    let mut command = Command::new("ip");
    let status = command.args(arguments.split(' ')).status();
    assert!(status.expect("it is there").success(), "ip {arguments}");
}

/// The other host.
struct Far {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Far {
    fn start() -> Self {
        let mut process = in_a_namespace(&["-n"], "far")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, output }
    }

    /// What it says that begins so.
    fn says(&mut self, prefix: &str) -> String {
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).expect("a pipe");
            assert_ne!(length, 0, "it ended");
            if let Some((_, rest)) = line.split_once(prefix) {
                return rest.trim_end().to_owned();
            }
        }
    }

    fn tell(&mut self, line: &str) {
        let input = self.process.stdin.as_mut().expect("a pipe");
        writeln!(input, "{line}").expect("it listens");
    }
}

/// The host that sends, and that the link is at.
fn near() {
    let mut far = Far::start();
    far.says("it is there");
    let pid = far.process.id();
    ip(&format!(
        "link add near type veth peer name far netns {pid}"
    ));
    ip(&format!("addr add {NEAR}/24 dev near"));
    ip("link set near up");
    far.tell("the link is there");
    let address = far.says("listening on ");

    let (reactor, known) = (Reactor::new().expect("a reactor"), Rc::<Known>::default());
    let source = Source {
        known: Rc::clone(&known),
        length: LENGTH,
    };
    reactor.connect_tcp(address.as_str(), source).ignore();
    let acknowledged = || known.bytes.get();
    turn_until(&reactor, || acknowledged() > LENGTH / 4);

    ip("link set near down");
    // What was on its way comes; then nothing does.
    let mut last = acknowledged();
    turn_until(&reactor, || {
        let before = reactor.now();
        reactor
            .turn(Some(Duration::from_millis(20)))
            .expect("it turns");
        let is_still = reactor.now() - before >= Duration::from_millis(20);
        is_still && std::mem::replace(&mut last, acknowledged()) == acknowledged()
    });
    assert!(last < LENGTH, "it was in the middle");
    assert!(known.ended.borrow().is_none(), "that is no end");

    ip("link set near up");
    turn_until(&reactor, || known.ended.borrow().is_some());
    assert_eq!((known.how(), acknowledged()), ("done", LENGTH));
    turn_until(&reactor, || {
        let counters = reactor.counters();
        counters.connections == 0 && counters.waiting_calls == 0
    });
    assert_eq!(far.says("it has "), format!("done {LENGTH}"));
    // Closes its input.
    assert!(far.process.wait().expect("it is ours").success());
}

/// The host that receives.
fn far() {
    println!("it is there");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a pipe");
    ip(&format!("addr add {FAR}/24 dev far"));
    ip("link set far up");
    let (reactor, known) = (Reactor::new().expect("a reactor"), Rc::<Known>::default());
    let knowing = Rc::clone(&known);
    let port = reactor
        .listen_tcp((FAR, 0), move || Sink(Rc::clone(&knowing)))
        .expect("a free port");
    println!("listening on {}", port.address());
    turn_until(&reactor, || known.ended.borrow().is_some());
    println!("it has {} {}", known.how(), known.bytes.get());
    // Until the other host has gone.
    std::io::stdin().read_line(&mut line).expect("a pipe");
}

fn turn_until(reactor: &Reactor, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never comes");
        reactor
            .turn(Some(Duration::from_millis(5)))
            .expect("it turns");
    }
}
