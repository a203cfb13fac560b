//! Unique names for new messages, which no other program and no earlier run has used.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Number of names made by this process; makes names of the same microsecond differ.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The name of the computer, with `/` and `:` escaped as Maildir has it. Random bits stand before
/// it: two containers may have the same name and the same process id.
static HOST: LazyLock<String> = LazyLock::new(|| {
    let random = RandomState::new().build_hasher().finish();
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    let name = name.replace('/', "\\057").replace(':', "\\072");
    // In the name of a file, a comma begins a field, such as `S=`.
    let name = name.replace(|c: char| c.is_control() || c == ',', "_");
    format!("R{random:016x}.{name}")
});

/// A new name: time, process id, number, random bits and host.
pub(super) fn name() -> String {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 gives 0; the name is still unique.
    let time = time.unwrap_or_default();
    // Relaxed: only the number has to be unique, and no other memory is synchronized by it.
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let (seconds, micros) = (time.as_secs(), time.subsec_micros());
    format!("{seconds}.M{micros:06}P{}Q{number}{}", process::id(), *HOST)
}
