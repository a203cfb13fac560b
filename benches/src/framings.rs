//! `framings`: what it costs to cut the input into frames: those of `reactor` next to the codecs
//! of `tokio-util`, each on its own loop and on a UNIX socket.
//!
//! The thread fills the socket itself whenever it has had all frames of a read, so that each read
//! finds as much as the buffer takes, here and there.

use std::error::Error;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::time::Duration;

use deferred::{Deferred, Trigger};
use futures::StreamExt;
use reactor::framing::{LengthPrefixed, U32};
use reactor::{ConnectionClosed, Context, Framing, Lines, Protocol, Reactor};
use tokio::runtime;
use tokio_util::codec::{Decoder, FramedRead, LengthDelimitedCodec, LinesCodec};

use crate::reads::{self, Options};
use crate::requests::cpu_time;
use crate::stats::{Estimate, ratios};
use crate::table::Table;
use crate::tools;

/// A frame with what is around it.
const FRAME: usize = 64;
/// What both read at most at once.
const READ: usize = 64 * 1024;
const FRAMES: usize = READ / FRAME;

/// What is in a read, and the length of a frame without what is around it.
struct Case {
    input: Vec<u8>,
    length: usize,
}

fn prefixed() -> Case {
    let length = FRAME - size_of::<u32>();
    let mut frame = vec![0, 0, 0, length as u8];
    frame.resize(FRAME, b'x');
    Case {
        input: frame.repeat(FRAMES),
        length,
    }
}

fn lines() -> Case {
    let mut frame = [b'x'; FRAME];
    frame[FRAME - 1] = b'\n';
    Case {
        input: frame.repeat(FRAMES),
        length: FRAME - 1,
    }
}

/// The other end of the socket: fills it for one read after the other, and then closes it.
struct Feed {
    /// `None` once there is nothing more to come.
    to: Option<UnixStream>,
    input: Vec<u8>,
    reads: usize,
    /// Frames that are left of what was written.
    frames: usize,
    /// Lengths of all frames that have come.
    bytes: usize,
}

impl Feed {
    fn new(to: UnixStream, input: Vec<u8>, reads: usize) -> io::Result<Self> {
        let mut feed = Self {
            to: Some(to),
            input,
            reads,
            frames: 0,
            bytes: 0,
        };
        feed.fill()?;
        Ok(feed)
    }

    fn fill(&mut self) -> io::Result<()> {
        self.frames = FRAMES;
        match self.reads.checked_sub(1) {
            None => self.to = None,
            Some(left) => {
                self.reads = left;
                if let Some(to) = &mut self.to {
                    to.write_all(&self.input)?;
                }
            }
        }
        Ok(())
    }

    /// Takes a frame of so many bytes.
    #[inline]
    fn take(&mut self, length: usize) -> io::Result<()> {
        self.bytes += length;
        self.frames -= 1;
        if self.frames == 0 {
            self.fill()?;
        }
        Ok(())
    }
}

/// Takes all frames, and gives their lengths in all.
type Contender = fn(&str, UnixStream, Feed) -> Result<usize, Box<dyn Error>>;

const CONTENDERS: [(&str, Contender); 3] =
    [("ours", ours), ("tokio-util", tokio_util), ("read", read)];

const CASES: [(&str, fn() -> Case); 3] = [
    ("length-prefixed", prefixed),
    ("lines", lines),
    (TEXT, lines),
];

/// The case in which the handler here checks that lines are text, as the peer's codec always does.
const TEXT: &str = "lines, as text";

/// What a handler does with a frame.
trait Item {
    fn length(frame: &[u8]) -> deferred::Result<usize>;
}

enum Bytes {}

impl Item for Bytes {
    fn length(frame: &[u8]) -> deferred::Result<usize> {
        Ok(frame.len())
    }
}

enum Text {}

impl Item for Text {
    fn length(frame: &[u8]) -> deferred::Result<usize> {
        Ok(std::str::from_utf8(frame)?.len())
    }
}

struct Counting<F, I> {
    feed: Feed,
    done: Trigger<usize>,
    kind: PhantomData<(F, I)>,
}

impl<F, I> Protocol for Counting<F, I>
where
    F: for<'a> Framing<Frame<'a> = &'a [u8]> + Default,
    I: Item + 'static,
{
    type Framing = F;

    fn received(&mut self, _: &mut Context<'_, Self>, frame: &[u8]) -> deferred::Result<()> {
        Ok(self.feed.take(I::length(frame)?)?)
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, _: ConnectionClosed) {
        // Errs if the reactor is gone: then nothing waits for it.
        let _ = self.done.callback(self.feed.bytes);
    }
}

fn ours(case: &str, stream: UnixStream, feed: Feed) -> Result<usize, Box<dyn Error>> {
    fn run<F, I>(stream: UnixStream, feed: Feed) -> Result<usize, Box<dyn Error>>
    where
        F: for<'a> Framing<Frame<'a> = &'a [u8]> + Default,
        I: Item + 'static,
    {
        let reactor = Reactor::new()?;
        let (done, bytes) = Deferred::pair();
        let kind = PhantomData::<(F, I)>;
        reactor.adopt_stream(stream, Counting { feed, done, kind })?;
        Ok(reactor.block_on(bytes)?)
    }
    match case {
        TEXT => run::<Lines, Text>(stream, feed),
        "lines" => run::<Lines, Bytes>(stream, feed),
        _ => run::<LengthPrefixed<U32>, Bytes>(stream, feed),
    }
}

fn tokio_util(case: &str, stream: UnixStream, feed: Feed) -> Result<usize, Box<dyn Error>> {
    fn run<D>(
        codec: D,
        length: fn(&D::Item) -> usize,
        stream: UnixStream,
        mut feed: Feed,
    ) -> Result<usize, Box<dyn Error>>
    where
        D: Decoder,
        D::Error: Error + 'static,
    {
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let stream = tokio::net::UnixStream::from_std(stream)?;
            let mut frames = pin!(FramedRead::with_capacity(stream, codec, READ));
            while let Some(frame) = frames.next().await {
                feed.take(length(&frame?))?;
            }
            Ok(feed.bytes)
        })
    }
    match case {
        "lines" | TEXT => run(LinesCodec::new(), String::len, stream, feed),
        _ => run(
            LengthDelimitedCodec::new(),
            |frame| frame.len(),
            stream,
            feed,
        ),
    }
}

/// Cuts nothing: what the system takes for the same bytes, which is in the times of both.
fn read(_: &str, mut stream: UnixStream, mut feed: Feed) -> Result<usize, Box<dyn Error>> {
    stream.set_nonblocking(false)?;
    let mut buffer = vec![0; READ];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(feed.bytes),
            received => {
                feed.bytes += received;
                feed.fill()?;
            }
        }
    }
}

/// What a contender takes of the processor for a frame, in nanoseconds.
fn time_of(
    case: &(&str, fn() -> Case),
    contender: &(&str, Contender),
    reads: usize,
    now: fn() -> Duration,
) -> Result<f64, Box<dyn Error>> {
    let ((case, make), (name, run)) = (case, contender);
    let Case { input, length } = make();
    let (stream, to) = UnixStream::pair()?;
    stream.set_nonblocking(true)?;
    let feed = Feed::new(to, input, reads)?;
    let start = now();
    let bytes = run(case, stream, feed)?;
    let time = now() - start;
    let frames = FRAMES * reads;
    let expected = if *name == "read" { FRAME } else { length } * frames;
    if bytes != expected {
        return Err(format!("{name}, {case}: {bytes} bytes instead of {expected}").into());
    }
    Ok(time.as_nanos() as f64 / frames as f64)
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let options = options.effective();
    if let (Some(contender), Some(case)) = (&options.only_run, &options.case) {
        let case = CASES.iter().find(|(name, _)| name == case);
        let contender = CONTENDERS.iter().find(|(name, _)| name == contender);
        let (case, contender) = case.zip(contender).ok_or("no such case or contender")?;
        // Callgrind does not get along with how `rustix` asks for the time.
        time_of(case, contender, options.reads, || Duration::ZERO)?;
        return Ok(());
    }
    println!(
        "framings: frames of {FRAME} bytes in reads of {READ}, {} of these in each of {} rounds",
        options.reads, options.rounds
    );
    println!();
    if !options.count {
        times(&options)?;
    }
    if tools::is_installed("valgrind") {
        instructions()?;
    } else {
        println!("framings: valgrind is not installed; the instructions are left out");
    }
    Ok(())
}

fn times(options: &Options) -> Result<(), Box<dyn Error>> {
    let [ours, peer, read] = &CONTENDERS;
    let turns = [ours, peer, read, peer];
    let mut table = Table::new([
        "CPU a frame, ns",
        "ours",
        "tokio-util",
        "the system alone",
        "ours to tokio-util",
        "the control",
    ]);
    for case in &CASES {
        let mut times = [const { Vec::new() }; 4];
        for round in 0..=options.rounds {
            for (times, contender) in times.iter_mut().zip(turns) {
                let time = time_of(case, contender, options.reads, cpu_time)?;
                // The first round warms up.
                if round > 0 {
                    times.push(time);
                }
            }
        }
        let [ours, peer, read, again] = times;
        let median = |times: &[f64]| format!("{:.1}", Estimate::of(times).median);
        table.row([
            case.0.into(),
            median(&ours),
            median(&peer),
            median(&read),
            Estimate::of(&ratios(&ours, &peer)).text(),
            Estimate::of(&ratios(&again, &peer)).text(),
        ]);
    }
    table.print();
    Ok(())
}

/// User-space instructions for a frame.
fn instructions() -> Result<(), Box<dyn Error>> {
    let mut table = Table::new([
        "instructions a frame",
        "ours",
        "tokio-util",
        "ours to tokio-util",
    ]);
    for (case, _) in &CASES {
        let [(ours, _), (peer, _), _] = CONTENDERS;
        let each = |contender| -> Result<f64, Box<dyn Error>> {
            Ok(reads::instructions("framings", contender, case)? / FRAMES as f64)
        };
        let (ours, peer) = (each(ours)?, each(peer)?);
        table.row([
            String::from(*case),
            format!("{ours:.1}"),
            format!("{peer:.1}"),
            format!("{:.2}", ours / peer),
        ]);
    }
    table.print();
    Ok(())
}
