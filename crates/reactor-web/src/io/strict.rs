//! `Strict`: refuses requests of HTTP/1.1 that two parsers may read in two ways.
//!
//! It reads the input before hyper does, and passes it on unchanged up to the first byte that it
//! refuses. In place of that byte and all that follow, hyper gets bytes that are invalid wherever
//! they stand (`REFUSED`). So hyper itself answers with a 400, after its answers to the requests
//! before, and closes the connection.

/// The bytes that hyper gets in place of the refused input: a CR without an LF is invalid in a
/// head, after the size of a chunk, in its extensions, and in trailers. The end of a head follows,
/// because hyper parses a head only when it has its end.
const REFUSED: &[u8] = b"\r\0\r\n\r\n";

/// The most bytes of a line that are kept until its end comes. A longer line is refused, so that
/// `Strict::line` stays bounded.
const LONGEST_LINE: usize = 64 * 1024;

/// The first line of HTTP/2. Its frames have lengths, so two parsers do not differ, and are not
/// read.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// Parser of the input of one connection, as far as it is needed to find the ends of messages.
#[derive(Default)]
pub(super) struct Strict {
    state: State,
    /// The bytes of the current line that have come.
    line: Vec<u8>,
    /// The framing of the body, by the headers read so far.
    body: Framing,
}

#[derive(Clone, Copy, Default)]
enum State {
    /// Before a request line.
    #[default]
    Start,
    Head,
    /// In a body; the number of its bytes that are left.
    Body(u64),
    /// In a chunk; the number of bytes that are left, with those of its line break.
    Chunk(u64),
    /// Before the line with the size of a chunk.
    ChunkSize,
    Trailer,
    /// The connection speaks HTTP/2: all input passes.
    Off,
    /// Input was refused: no more input passes.
    Refused,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Framing {
    #[default]
    Nothing,
    Length(u64),
    Chunked,
}

/// A line is refused.
struct Refusal;

impl Strict {
    /// Calls `push` with the part of `data` that hyper is to read, and with `REFUSED` after it if
    /// the rest is refused.
    pub(super) fn filter(&mut self, data: &[u8], mut push: impl FnMut(&[u8])) {
        if let State::Refused = self.state {
            return;
        }
        let right = self.read(data);
        push(&data[..right]);
        if right < data.len() {
            self.state = State::Refused;
            // Frees up to 64 KiB, which the connection no longer needs.
            self.line = Vec::new();
            push(REFUSED);
        }
    }

    /// Frees the buffer of the current line, if it is empty.
    pub(super) fn release(&mut self) {
        if self.line.is_empty() {
            self.line = Vec::new();
        }
    }

    /// Reads `data`; returns how many bytes of it pass.
    fn read(&mut self, data: &[u8]) -> usize {
        let mut place = 0;
        while place < data.len() {
            let rest = &data[place..];
            let available = rest.len() as u64;
            match self.state {
                State::Off | State::Refused => return data.len(),
                State::Body(left) => {
                    let taken = left.min(available);
                    self.state = match left - taken {
                        0 => State::Start,
                        left => State::Body(left),
                    };
                    // At most `rest.len()`, so the cast loses nothing, here and below.
                    place += taken as usize;
                }
                State::Chunk(left) => {
                    let taken = left.min(available);
                    self.state = match left - taken {
                        0 => State::ChunkSize,
                        left => State::Chunk(left),
                    };
                    place += taken as usize;
                }
                State::Start | State::Head | State::ChunkSize | State::Trailer => {
                    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                        self.line.extend_from_slice(rest);
                        let is_long = self.line.len() > LONGEST_LINE;
                        return if is_long { place } else { data.len() };
                    };
                    self.line.extend_from_slice(&rest[..end]);
                    if self.end_line().is_err() {
                        // The line feed itself is refused, so that hyper gets no line break.
                        return place + end;
                    }
                    self.line.clear();
                    place += end + 1;
                }
            }
        }
        place
    }

    /// Ends a line, which must end with CRLF and have no other CR; changes the state.
    fn end_line(&mut self) -> Result<(), Refusal> {
        // A bare LF may end a line (RFC 9112, 2.2), and a bare CR has to be refused or replaced:
        // parsers differ in both.
        let Some((b'\r', line)) = self.line.split_last() else {
            return Err(Refusal);
        };
        if line.contains(&b'\r') {
            return Err(Refusal);
        }
        self.state = match (self.state, line) {
            // Empty lines before a request are ignored (RFC 9112, section 2.2).
            (State::Start, b"") => State::Start,
            // The preface goes on with frames, which have no lines (RFC 9113, 3.4).
            (State::Start, PREFACE) => State::Off,
            (State::Start, _) => {
                self.body = Framing::Nothing;
                State::Head
            }
            (State::Head, b"") => match self.body {
                Framing::Nothing | Framing::Length(0) => State::Start,
                Framing::Length(length) => State::Body(length),
                Framing::Chunked => State::ChunkSize,
            },
            (State::Head, header) => {
                self.body = framing(self.body, header)?;
                State::Head
            }
            (State::ChunkSize, size) => match chunk_size(size)? {
                0 => State::Trailer,
                // With its CRLF, which hyper checks. A size has 15 digits at most, so nothing
                // overflows.
                size => State::Chunk(size + 2),
            },
            (State::Trailer, b"") => State::Start,
            (state, _) => state,
        };
        Ok(())
    }
}

/// The framing of the body after one more header, with `known` the framing before it.
fn framing(known: Framing, header: &[u8]) -> Result<Framing, Refusal> {
    let colon = header.iter().position(|byte| *byte == b':');
    // A name with a space before its colon, or a line that continues another, matches none of the
    // names below: hyper refuses both (RFC 9112, 5.1 and 5.2).
    let (name, value) = header.split_at(colon.unwrap_or(header.len()));
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let named = if name.eq_ignore_ascii_case(b"content-length") {
        Framing::Length(number(value, 10)?)
    } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
        // A list of codings may end with `chunked`, but parsers differ in how they look for it (RFC
        // 9112, 6.1).
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal);
        }
        Framing::Chunked
    } else {
        return Ok(known);
    };
    // Refuses a head with both headers, or with one of them twice: parsers differ in which one
    // counts.
    match known {
        Framing::Nothing => Ok(named),
        Framing::Length(_) | Framing::Chunked => Err(Refusal),
    }
}

/// The size in the first line of a chunk; its extensions are ignored.
fn chunk_size(line: &[u8]) -> Result<u64, Refusal> {
    let end = line.iter().position(|byte| *byte == b';');
    let size = &line[..end.unwrap_or(line.len())];
    // A last chunk may be `000`. Up to 16 zeros: all parsers read them as 0.
    match size.iter().all(|byte| *byte == b'0') && matches!(size.len(), 1..=16) {
        true => Ok(0),
        false => number(size, 16),
    }
}

/// A number of 1 to 15 digits, without leading zeros and signs, which some parsers ignore.
fn number(digits: &[u8], radix: u32) -> Result<u64, Refusal> {
    // In base 16, 15 digits stay below 2^60, so no parser with 64 bits wraps around. A leading zero
    // may stand for base 8.
    let is_short = matches!(digits.len(), 1..=15) && (digits[0] != b'0' || digits.len() == 1);
    let digits = if is_short { digits } else { &[] };
    let mut number = if digits.is_empty() { None } else { Some(0) };
    for digit in digits {
        let value = char::from(*digit).to_digit(radix);
        number = number
            .zip(value)
            .map(|(number, value)| number * u64::from(radix) + u64::from(value));
    }
    number.ok_or(Refusal)
}
