//! Names of new messages, which no other program and no earlier run has given.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Messages of this process so far: tells those of one microsecond apart.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The name of the computer, with `/` and `:` escaped as Maildir has it. Random bits stand before
/// it: two containers may have the same name and the same process id.
static HOST: LazyLock<String> = LazyLock::new(|| {
    let random = RandomState::new().build_hasher().finish();
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    let name = name.replace('/', "\\057").replace(':', "\\072");
    // A comma would begin a field.
    let name = name.replace(|c: char| c.is_control() || c == ',', "_");
    format!("R{random:016x}.{name}")
});

/// A name: time, process, number and host.
pub(super) fn name() -> String {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 gives 0; the name is still unique.
    let time = time.unwrap_or_default();
    // Only the number has to be unique: no other memory depends on it.
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let (seconds, micros) = (time.as_secs(), time.subsec_micros());
    format!("{seconds}.M{micros:06}P{}Q{number}{}", process::id(), *HOST)
}
