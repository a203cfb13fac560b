//! `protocols`: what the framings of SMTP and telnet cost, next to one search for three bytes and
//! to `Lines`: in memory, without a loop.

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use deferred::Failure;
use memchr::memchr3_iter;
use reactor::{Decoded, Framing, Lines};
use reactor_mail::{SmtpFrame, SmtpFraming};
use reactor_telnet::{TelnetFrame, TelnetFraming};

use crate::reads::{self, Options};
use crate::requests::cpu_time;
use crate::stats::{Estimate, ratios};
use crate::table::Table;
use crate::tools;

/// What comes at once.
const READ: usize = 64 * 1024;

/// Takes all of a read, and gives a number that depends on it.
type Side = fn(&[u8]) -> Result<usize, Failure>;

struct Case {
    name: &'static str,
    /// Bytes of a line, CR LF included.
    line: usize,
    ours: Side,
    peer_name: &'static str,
    peer: Side,
}

const CASES: [Case; 5] = [
    Case {
        name: "smtp-message-4096",
        line: 4096,
        ours: smtp_message,
        peer_name: "memchr3",
        peer: search,
    },
    Case {
        name: "telnet-text-4096",
        line: 4096,
        ours: telnet,
        peer_name: "memchr3",
        peer: search,
    },
    Case {
        name: "smtp-commands-64",
        line: 64,
        ours: smtp_commands,
        peer_name: "Lines",
        peer: lines,
    },
    Case {
        name: "smtp-message-64",
        line: 64,
        ours: smtp_message,
        peer_name: "Lines",
        peer: lines,
    },
    Case {
        name: "telnet-text-64",
        line: 64,
        ours: telnet,
        peer_name: "Lines",
        peer: lines,
    },
];

impl Case {
    fn input(&self) -> Vec<u8> {
        let mut line = vec![b'x'; self.line];
        line[self.line - 2..].copy_from_slice(b"\r\n");
        line.repeat(READ / self.line)
    }
}

fn decode<F: Framing>(
    mut framing: F,
    mut input: &[u8],
    length: impl Fn(F::Frame<'_>) -> usize,
) -> Result<usize, Failure> {
    let mut bytes = 0;
    while !input.is_empty() {
        match framing.decode(input)? {
            Decoded::Frame { frame, consumed } => {
                bytes += length(frame);
                input = &input[consumed..];
            }
            Decoded::Skip { consumed } => input = &input[consumed..],
            _ => break,
        }
    }
    Ok(bytes)
}

fn smtp_length(frame: SmtpFrame<'_>) -> usize {
    match frame {
        SmtpFrame::Command(bytes) | SmtpFrame::Data(bytes) => bytes.len(),
        _ => 0,
    }
}

fn smtp_commands(input: &[u8]) -> Result<usize, Failure> {
    decode(SmtpFraming::default(), input, smtp_length)
}

fn smtp_message(input: &[u8]) -> Result<usize, Failure> {
    let mut framing = SmtpFraming::default();
    framing.begin_data();
    decode(framing, input, smtp_length)
}

fn telnet(input: &[u8]) -> Result<usize, Failure> {
    decode(TelnetFraming::default(), input, |frame| match frame {
        TelnetFrame::Data(data) => data.len(),
        _ => 0,
    })
}

fn lines(input: &[u8]) -> Result<usize, Failure> {
    decode(Lines::default(), input, <[u8]>::len)
}

/// One search over all of it, for as many bytes as a protocol of text looks for.
fn search(input: &[u8]) -> Result<usize, Failure> {
    Ok(memchr3_iter(b'\r', b'\n', 0xff, input).count())
}

fn run_side(side: Side, input: &[u8], reads: usize) -> Result<(), Failure> {
    for _ in 0..reads {
        black_box(side(black_box(input))?);
    }
    Ok(())
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let options = options.effective();
    if let (Some(side), Some(case)) = (&options.only_run, &options.case) {
        let case = CASES
            .iter()
            .find(|it| it.name == case)
            .ok_or("no such case")?;
        let side = if side == "ours" { case.ours } else { case.peer };
        return Ok(run_side(side, &case.input(), options.reads)?);
    }
    println!(
        "protocols: reads of {READ} bytes, {} of these in each of {} rounds",
        options.reads, options.rounds
    );
    println!();
    if !options.count {
        times(&options)?;
    }
    if tools::is_installed("valgrind") {
        instructions()?;
    } else {
        println!("protocols: valgrind is not installed; the instructions are left out");
    }
    Ok(())
}

fn times(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut table = Table::new(["CPU a read, µs", "ours", "against", "it", "ours to it"]);
    for case in &CASES {
        let input = case.input();
        let time_of = |side| -> Result<f64, Failure> {
            let start: Duration = cpu_time();
            run_side(side, &input, options.reads)?;
            let time = cpu_time() - start;
            Ok(time.as_secs_f64() * 1e6 / options.reads as f64)
        };
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        for round in 0..=options.rounds {
            let times = (time_of(case.ours)?, time_of(case.peer)?);
            // The first round warms up.
            if round > 0 {
                ours.push(times.0);
                peer.push(times.1);
            }
        }
        let median = |times: &[f64]| format!("{:.2}", Estimate::of(times).median);
        table.row([
            case.name.into(),
            median(&ours),
            case.peer_name.into(),
            median(&peer),
            Estimate::of(&ratios(&ours, &peer)).text(),
        ]);
    }
    table.print();
    Ok(())
}

/// User-space instructions for a read.
fn instructions() -> Result<(), Box<dyn Error>> {
    let mut table = Table::new(["instructions a read", "ours", "against", "it", "ours to it"]);
    for case in &CASES {
        let each = |side| reads::instructions("protocols", side, case.name);
        let (ours, peer) = (each("ours")?, each("peer")?);
        table.row([
            case.name.into(),
            format!("{ours:.0}"),
            case.peer_name.into(),
            format!("{peer:.0}"),
            format!("{:.2}", ours / peer),
        ]);
    }
    table.print();
    Ok(())
}
