//! Reads the fuzzer's bytes as a PROXY header and what follows it: the same whole and in pieces,
//! and what follows is delivered as it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor::filter::proxy_protocol::{ProxyHeader, ProxyProtocol};
use reactor::testing::FilterDriver;

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    is_open: bool,
    failed: bool,
    peer: String,
    header: Option<String>,
    delivered: Vec<u8>,
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut driver = FilterDriver::new(ProxyProtocol::from_any().filter()).expect("it starts");
    let mut failed = false;
    for piece in pieces {
        if driver.receive(piece).is_err() {
            failed = true;
            break;
        }
    }
    Outcome {
        is_open: driver.is_open(),
        failed,
        peer: driver.peer().to_string(),
        header: driver
            .info::<ProxyHeader>()
            .map(|header| format!("{header:?}")),
        delivered: driver.delivered(),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, size], data)) = data.split_first_chunk::<2>() else {
        return;
    };
    // A beginning that is right lets the fuzzer come further.
    let begin: &[u8] = match kind % 4 {
        0 => b"",
        1 => b"PROXY TCP4 ",
        2 => b"PROXY ",
        _ => b"\r\n\r\n\0\r\nQUIT\n\x21",
    };
    let data = [begin, data].concat();
    let whole = read([&data[..]]);
    assert_eq!(read(data.chunks(usize::from(size) % 40 + 1)), whole);
    if whole.is_open {
        assert!(data.ends_with(&whole.delivered));
    } else {
        assert!(whole.delivered.is_empty());
    }
});
