//! The read path of sockets exists once: the system calls that receive are made in few files of
//! `reactor`, so that a rule of reading (no blocking, the bound of a turn, descriptors that come
//! with bytes) is kept in one place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::pages::{files, root};

/// The files with these calls, how many each has, and what they read.
const RECEIVING: &[(&str, usize, &str)] = &[
    ("datagram/address.rs", 1, "datagrams"),
    (
        "descriptor/reference.rs",
        1,
        "a watched descriptor, for its callback",
    ),
    ("poll/waker.rs", 1, "the wakes of other threads, on Linux"),
    ("process/pipe.rs", 1, "the output of a child"),
    ("signals.rs", 1, "the wakes of signal handlers"),
    ("sys/rights.rs", 1, "streams that carry descriptors"),
    (
        "sys/shared_fd.rs",
        2,
        "pipes that may be shared with other processes",
    ),
    ("sys/stream.rs", 1, "streams"),
];

/// The functions of rustix and of std that receive.
const CALLS: &[&str] = &[
    "net::recv(",
    "net::recvfrom(",
    "net::recvmsg(",
    " recvmsg(",
    "io::read(",
    "io::readv(",
    "io::pread(",
    ".recv(",
    ".recv_from(",
    ".recv_vectored(",
    ".recvmsg(",
    ".read_exact(",
    ".read_to_end(",
    ".read_vectored(",
    "Read::read(",
];

/// The number of calls in the code of each file that has any, without its tests.
fn receiving() -> BTreeMap<String, usize> {
    let folder = root().join("crates/reactor/src");
    let mut paths = Vec::new();
    files(&folder, Path::new(""), &mut paths);
    let mut found = BTreeMap::new();
    for path in paths {
        let text = fs::read_to_string(folder.join(&path)).expect("it can be read");
        let code = text.split("#[cfg(test)]").next().expect("there is a first");
        let lines = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let calls = lines.flat_map(|line| CALLS.iter().map(|call| line.matches(call).count()));
        let count: usize = calls.sum();
        if count > 0 {
            found.insert(path, count);
        }
    }
    found
}

#[test]
fn the_system_calls_that_receive_are_in_the_files_that_are_named() {
    let named = RECEIVING
        .iter()
        .map(|(path, count, _)| ((*path).to_owned(), *count));
    assert_eq!(receiving(), named.collect());
}
