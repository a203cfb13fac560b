//! A reactor that serves in its own thread, and what it uses.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use deferred::Result;
use parking_lot::{Mutex, MutexGuard};
use reactor::{Context, Factory, Protocol, Raw, Reactor, Remote};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use socket2::SockRef;
use tests::wait_for;

/// Long enough for whatever is waited for on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Whether this is a process of its own for the test `name`. If not, runs the test in one, alone,
/// and asserts that it passes there.
pub(crate) fn is_own_process(name: &str) -> bool {
    if role().is_some() {
        return true;
    }
    let _alone = alone();
    let run = in_a_process(name, "alone").status().expect("it starts");
    assert!(run.success());
    false
}

/// Lets this process have at most `count` descriptors.
pub(crate) fn limit_descriptors(count: u64) {
    let limit = Rlimit {
        current: Some(count),
        maximum: Some(count),
    };
    setrlimit(Resource::Nofile, limit).expect("it may be lowered");
}

/// Sends back what it gets.
pub(crate) struct Echo;

impl Protocol for Echo {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        cx.write(data);
        Ok(())
    }
}

/// A reactor in a thread of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) remote: Remote,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start<F: Factory>(factory: impl FnOnce() -> F + Send + 'static) -> Self {
        let (told, started) = mpsc::channel();
        let thread = thread::spawn(move || {
            let reactor = Reactor::new().expect("a reactor");
            let port = reactor
                .listen_tcp("127.0.0.1:0", factory())
                .expect("a free port");
            told.send((port.address(), reactor.remote()))
                .expect("it is waited for");
            reactor.run().expect("it runs");
        });
        let (address, remote) = started.recv().expect("it starts");
        Self {
            address,
            remote,
            thread: Some(thread),
        }
    }

    /// What the loop says of itself.
    pub(crate) fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&reactor::ReactorHandle) -> R + Send + 'static,
    ) -> R {
        let (told, answer) = mpsc::channel();
        self.remote
            .call_from_thread(move |reactor| {
                let _ = told.send(look(reactor));
            })
            .expect("it runs");
        answer.recv_timeout(PATIENCE).expect("it is not stuck")
    }

    /// Waits until there are no connections and no delayed calls left.
    pub(crate) fn wait_until_empty(&self) {
        wait_for("everything is over", || {
            self.look(|reactor| {
                let counters = reactor.counters();
                counters.connections == 0 && counters.waiting_calls == 0
            })
        });
    }

    /// The processor time that the loop's thread uses in `time`.
    pub(crate) fn cpu_time_in(&self, time: Duration) -> Duration {
        let before = self.look(|_| thread_cpu_time());
        thread::sleep(time); // the one sleep: an idle loop uses no processor time while it lasts
        self.look(|_| thread_cpu_time()).saturating_sub(before)
    }

    pub(crate) fn stop(mut self) {
        self.remote
            .call_from_thread(|reactor| reactor.stop())
            .expect("it runs");
        let thread = self.thread.take().expect("it is joined once");
        thread
            .join()
            .expect("nothing panicked outside of a handler");
    }
}

fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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

/// Keeps the other tests of this program out: descriptors and memory are counted.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock()
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// How much memory this process is resident with, in bytes, but for what is of its file.
pub(crate) fn resident() -> u64 {
    let sizes = fs::read_to_string("/proc/self/statm").expect("it is there");
    let pages = |place| {
        let pages = sizes.split_whitespace().nth(place).map(str::parse::<u64>);
        pages.expect("it has several").expect("a number")
    };
    (pages(1) - pages(2)) * rustix::param::page_size() as u64
}

/// Whether the size of the memory shows a leak. It does not under the address sanitizer, which
/// keeps freed memory; that finds leaks itself.
pub(crate) fn memory_tells() -> bool {
    std::env::var_os("MEMORY_IS_KEPT").is_none()
}

/// What may seem to be left, in bytes: threads that use the allocator get more at a time.
const NOISE: u64 = 32 * 1024;

/// Does `what` again and again, and sees to it that nothing of it is left in memory.
///
/// Where several threads use the allocator, it takes much more now and then, but not each
/// time; what is left behind is left each time.
#[track_caller]
pub(crate) fn leaves_no_memory(mut what: impl FnMut()) {
    what();
    let mut before = resident();
    let grown: Vec<_> = (0..4)
        .map(|_| {
            what();
            let after = resident();
            after.saturating_sub(std::mem::replace(&mut before, after))
        })
        .collect();
    let is_small = |grown: &u64| *grown <= NOISE;
    assert!(grown.iter().any(is_small) || !memory_tells(), "{grown:?}");
}

/// Connects, so that closing leaves nothing that keeps a port from being used again.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    let linger = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    linger.expect("a socket");
    stream
}

/// Runs the test `name` of this program again, in a process of its own, and gives
/// what it prints; it finds `role` in its environment.
pub(crate) fn in_a_process(name: &str, role: &str) -> std::process::Command {
    let program = std::env::current_exe().expect("it runs");
    let mut command = std::process::Command::new(program);
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env("SOAK_ROLE", role);
    command
}

/// What this process was started for.
pub(crate) fn role() -> Option<String> {
    std::env::var("SOAK_ROLE").ok()
}
