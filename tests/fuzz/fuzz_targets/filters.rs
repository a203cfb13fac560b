//! Two stacks of filters that talk to each other, in pieces and at times of the fuzzer's choice:
//! what one side sends is what the other side gets.

#![no_main]

use std::time::Duration;

use deferred::Result;
use libfuzzer_sys::fuzz_target;
use reactor::filter::throttle::Throttle;
use reactor::filter::{Filter, Link, Pair};
use reactor::testing::FilterDriver;

/// Escapes bytes below 4 with a 1, after a greeting of two bytes; 2 is the end.
#[derive(Default)]
struct Escape {
    greeted: usize,
    is_escaped: bool,
}

impl Filter for Escape {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        link.send(b"hi");
        Ok(())
    }

    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        if self.greeted < 2 {
            assert_eq!(input[0], b"hi"[self.greeted]);
            self.greeted += 1;
            if self.greeted == 2 {
                link.open();
            }
            return Ok(1);
        }
        for (at, &mut byte) in input.iter_mut().enumerate() {
            match byte {
                byte if std::mem::take(&mut self.is_escaped) => link.up().push(byte - 4),
                1 => self.is_escaped = true,
                2 => {
                    link.end();
                    return Ok(at + 1);
                }
                byte => link.up().push(byte),
            }
        }
        Ok(input.len())
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        // Not all at once.
        let taken = bytes.len().min(5);
        for &byte in &bytes[..taken] {
            match byte {
                0..4 => link.down().extend([1, byte + 4]),
                byte => link.down().push(byte),
            }
        }
        Ok(taken)
    }

    fn finish(&mut self, link: &mut Link<'_>) -> Result<bool> {
        link.send(&[2]);
        Ok(true)
    }
}

fn stack(kind: u8) -> FilterDriver {
    let throttle = Throttle::new().bytes_per_second(1000);
    let driver = match kind % 3 {
        0 => FilterDriver::new(Escape::default()),
        1 => FilterDriver::new(Pair::new(Escape::default(), Escape::default())),
        _ => FilterDriver::new(Pair::new(
            throttle.filter(),
            Pair::new(Escape::default(), Escape::default()),
        )),
    };
    driver.expect("it starts")
}

/// One side: its filters, what is on its way to them, what it has sent and got.
struct Side {
    driver: FilterDriver,
    to_it: Vec<u8>,
    sent: Vec<u8>,
    got: Vec<u8>,
    has_finished: bool,
}

impl Side {
    fn new(kind: u8) -> Self {
        Self {
            driver: stack(kind),
            to_it: Vec::new(),
            sent: Vec::new(),
            got: Vec::new(),
            has_finished: false,
        }
    }

    /// Receives up to `size` bytes, as far as the filters want some.
    fn receive(&mut self, size: usize) {
        let size = size.min(self.to_it.len()).min(self.driver.read_limit());
        let piece: Vec<_> = self.to_it.drain(..size).collect();
        self.driver.receive(piece).expect("it is well-formed");
        self.got.extend(self.driver.delivered());
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&[kind], ops)) = data.split_first_chunk::<1>() else {
        return;
    };
    let mut sides = [Side::new(kind), Side::new(kind)];
    let mut ops = ops.iter().copied();
    while let Some(op) = ops.next() {
        let at = usize::from(op & 1);
        let size = usize::from(op >> 3) + 1;
        let side = &mut sides[at];
        match op >> 1 & 3 {
            0 if !side.has_finished => {
                let bytes: Vec<_> = ops.by_ref().take(size).collect();
                side.driver.send(&bytes).expect("it takes bytes");
                side.sent.extend(bytes);
            }
            0 | 1 => side.receive(size),
            2 => {
                let time = Duration::from_millis(size as u64);
                side.driver.advance(time).expect("a timer");
            }
            _ => {
                let bytes = side.driver.sent();
                sides[1 - at].to_it.extend(bytes);
            }
        }
        let [one, other] = &sides;
        assert!(other.sent.starts_with(&one.got) && one.sent.starts_with(&other.got));
    }
    // Everything that is still on its way, and the end.
    for side in &mut sides {
        side.driver.finish().expect("it finishes");
        side.has_finished = true;
    }
    for _ in 0..2000 {
        for at in [0, 1] {
            let bytes = sides[at].driver.sent();
            sides[1 - at].to_it.extend(bytes);
            sides[at].receive(usize::MAX);
            let time = Duration::from_millis(100);
            sides[at].driver.advance(time).expect("a timer");
        }
        if sides.iter().all(|side| side.driver.has_ended()) {
            break;
        }
    }
    let [one, other] = &sides;
    assert_eq!((&one.got, &other.got), (&other.sent, &one.sent));
    assert!(one.driver.has_ended() && other.driver.has_ended());
});
