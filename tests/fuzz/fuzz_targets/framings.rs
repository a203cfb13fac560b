//! Gives the fuzzer's bytes to each framing, whole and in pieces: the frames are the same, and
//! within the limit; and to a connection, in raw mode and out of it.

#![no_main]

mod pieces;

use std::cell::RefCell;
use std::rc::Rc;

use deferred::Failure;
use libfuzzer_sys::fuzz_target;
use reactor::framing::{Delimited, LengthPrefixed, Netstrings, U8, U16, U16Le, U32, U32Le};
use reactor::{Context, Decoded, Framing, Lines, Protocol, testing};

use crate::pieces::split;

const MAX_LENGTH: usize = 12;

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Frame(Vec<u8>),
    Refused,
    /// The framing has refused the same input twice.
    Failed,
}

/// What comes out of `framing` that gets `pieces`; decoding goes on behind what was refused.
fn decode<F>(mut framing: F, pieces: &[&[u8]]) -> Vec<Got>
where
    F: for<'a> Framing<Frame<'a> = &'a [u8]>,
{
    let (mut rest, mut got) = (Vec::new(), Vec::new());
    let mut was_refused = false;
    for piece in pieces {
        rest.extend_from_slice(piece);
        let mut taken = 0;
        while taken < rest.len() {
            let input = &rest[taken..];
            let consumed = match framing.decode(input) {
                Ok(Decoded::Frame { frame, consumed }) => {
                    assert!(frame.len() <= MAX_LENGTH);
                    got.push(Got::Frame(frame.to_vec()));
                    consumed
                }
                Ok(Decoded::Skip { consumed }) => consumed,
                Ok(_) => break,
                Err(_) if was_refused => {
                    got.push(Got::Failed);
                    return got;
                }
                Err(_) => {
                    got.push(Got::Refused);
                    was_refused = true;
                    continue;
                }
            };
            assert!(0 < consumed && consumed <= input.len());
            was_refused = false;
            taken += consumed;
        }
        rest.drain(..taken);
    }
    got
}

fn check<F>(framing: &F, data: &[u8], sizes: &[u8])
where
    F: for<'a> Framing<Frame<'a> = &'a [u8]> + Clone,
{
    let whole = decode(framing.clone(), &[data]);
    let pieces = decode(framing.clone(), &split(data, sizes, 9));
    assert_eq!(whole, pieces);
}

/// Changes its framing with each line, and takes part of what is raw.
struct Moody {
    got: Rc<RefCell<Vec<u8>>>,
}

impl Protocol for Moody {
    type Framing = Lines;

    fn framing(&self) -> Lines {
        Lines::with_max_length(MAX_LENGTH)
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        self.got.borrow_mut().extend([line, b"|"].concat());
        if line.starts_with(b"r") {
            cx.framing().set_raw_mode();
        }
        Ok(())
    }

    /// Takes everything up to a space, and that; then come lines.
    fn raw_received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<usize> {
        let end = data.iter().position(|&byte| byte == b' ');
        let taken = end.map_or(data.len(), |end| end + 1);
        self.got.borrow_mut().extend(&data[..taken]);
        if end.is_some() {
            cx.framing().set_line_mode();
        }
        Ok(taken)
    }

    fn framing_failed(
        &mut self,
        _cx: &mut Context<'_, Self>,
        _failure: Failure,
        _input: &[u8],
    ) -> deferred::Result<()> {
        self.got.borrow_mut().extend(b"!");
        Ok(())
    }
}

fn moody(pieces: &[&[u8]]) -> Vec<u8> {
    let got = Rc::new(RefCell::new(Vec::new()));
    testing::run(|reactor| {
        let protocol = Moody {
            got: Rc::clone(&got),
        };
        let (connection, peer) = reactor.connect_to_peer(protocol);
        for piece in pieces {
            peer.send(piece);
            reactor.settle();
        }
        assert!(!connection.is_gone());
        connection.abort();
        reactor.settle();
    });
    got.take()
}

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, ref sizes @ ..], data)) = data.split_first_chunk::<5>() else {
        return;
    };
    match kind % 12 {
        0 => check(&Lines::with_max_length(MAX_LENGTH), data, sizes),
        1 => check(&Lines::with_max_length(MAX_LENGTH).crlf(), data, sizes),
        2 => check(
            &Delimited::by("\r\n").with_max_length(MAX_LENGTH),
            data,
            sizes,
        ),
        3 => check(
            &Delimited::by("aab").with_max_length(MAX_LENGTH),
            data,
            sizes,
        ),
        4 => check(
            &Delimited::by("\0").with_max_length(MAX_LENGTH),
            data,
            sizes,
        ),
        5 => check(
            &LengthPrefixed::<U8>::with_max_length(MAX_LENGTH),
            data,
            sizes,
        ),
        6 => check(
            &LengthPrefixed::<U16>::with_max_length(MAX_LENGTH),
            data,
            sizes,
        ),
        7 => check(
            &LengthPrefixed::<U16Le>::with_max_length(MAX_LENGTH),
            data,
            sizes,
        ),
        8 => check(
            &LengthPrefixed::<U32>::with_max_length(MAX_LENGTH),
            data,
            sizes,
        ),
        9 => check(
            &LengthPrefixed::<U32Le>::with_max_length(MAX_LENGTH),
            data,
            sizes,
        ),
        10 => check(&Netstrings::with_max_length(MAX_LENGTH), data, sizes),
        _ => assert_eq!(moody(&[data]), moody(&split(data, sizes, 9))),
    }
});
