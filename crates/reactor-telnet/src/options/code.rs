//! `TelnetOption`, `Command` and `Verb`: the bytes of the protocol by their names.

use std::fmt;

/// Number of a telnet option.
/// Any byte is an option; the options that are in use have constants.
///
/// # Examples
///
/// ```
/// use reactor_telnet::TelnetOption;
///
/// assert_eq!(TelnetOption::from(31), TelnetOption::WINDOW_SIZE);
/// assert_eq!(TelnetOption::WINDOW_SIZE.to_string(), "window size (31)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TelnetOption(pub u8);

/// A command that stands alone, without an option (RFC 854).
///
/// # Examples
///
/// ```
/// use reactor_telnet::Command;
///
/// assert_eq!(Command(246), Command::ARE_YOU_THERE);
/// assert_eq!(Command(242).to_string(), "data mark (242)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command(pub u8);

macro_rules! names {
    ($type:ident: $($(#[$doc:meta])* $name:ident = $byte:literal, $text:literal;)*) => {
        impl $type {
            $($(#[$doc])* pub const $name: Self = Self($byte);)*

            fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($byte => Some($text),)*
                    _ => None,
                }
            }
        }

        impl From<u8> for $type {
            fn from(byte: u8) -> Self {
                Self(byte)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => write!(f, "{name} ({})", self.0),
                    None => write!(f, "{}", self.0),
                }
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

names! {
    TelnetOption:
    /// Bytes are sent as they are, line ends included (RFC 856).
    BINARY = 0, "binary";
    /// The side that uses the option echoes the input of the other side (RFC 857).
    ECHO = 1, "echo";
    /// No "go ahead" is sent (RFC 858). Together with [`ECHO`](Self::ECHO) of the server, the
    /// client sends each key as it is pressed.
    SUPPRESS_GO_AHEAD = 3, "suppress go-ahead";
    /// RFC 859.
    STATUS = 5, "status";
    /// Answered when all input before it was processed (RFC 860).
    TIMING_MARK = 6, "timing mark";
    /// The name of the client's terminal (RFC 1091).
    TERMINAL_TYPE = 24, "terminal type";
    /// RFC 885.
    END_OF_RECORD = 25, "end of record";
    /// The size of the client's terminal, "NAWS" (RFC 1073).
    WINDOW_SIZE = 31, "window size";
    /// RFC 1079.
    TERMINAL_SPEED = 32, "terminal speed";
    /// RFC 1184.
    LINE_MODE = 34, "line mode";
    /// RFC 1572.
    NEW_ENVIRONMENT = 39, "new environment";
    /// RFC 2066.
    CHARSET = 42, "charset";
}

names! {
    Command:
    /// End of record (RFC 885).
    END_OF_RECORD = 239, "end of record";
    /// No operation.
    NO_OPERATION = 241, "no operation";
    /// Mark in the data for the "synch": after TCP's urgent notification, the receiver discards the
    /// data before this mark. Without that notification, the mark does nothing.
    DATA_MARK = 242, "data mark";
    /// Break.
    BREAK = 243, "break";
    /// Interrupt process: what Ctrl-C sends in a client with line mode.
    INTERRUPT_PROCESS = 244, "interrupt process";
    /// Abort output.
    ABORT_OUTPUT = 245, "abort output";
    /// Are you there?
    ARE_YOU_THERE = 246, "are you there";
    /// Erase the last character of the line.
    ERASE_CHARACTER = 247, "erase character";
    /// Erase the line.
    ERASE_LINE = 248, "erase line";
    /// Go ahead.
    GO_AHEAD = 249, "go ahead";
}

/// The verb of a negotiation: it says what the sender wants for an option.
///
/// # Examples
///
/// ```
/// use reactor_telnet::Verb;
///
/// assert_eq!(Verb::Will.byte(), 251);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// The sender begins to use the option, or offers to.
    Will,
    /// The sender does not use the option, or refuses to.
    Wont,
    /// The sender asks the receiver to use the option, or agrees.
    Do,
    /// The sender asks the receiver not to use the option, or refuses.
    Dont,
}

impl Verb {
    /// The byte after `IAC`.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Will => 251,
            Self::Wont => 252,
            Self::Do => 253,
            Self::Dont => 254,
        }
    }

    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            251 => Some(Self::Will),
            252 => Some(Self::Wont),
            253 => Some(Self::Do),
            254 => Some(Self::Dont),
            _ => None,
        }
    }
}

/// "Interpret as command": the first byte of each command.
pub(crate) const IAC: u8 = 255;
/// Begins a subnegotiation.
pub(crate) const SB: u8 = 250;
/// Ends a subnegotiation.
pub(crate) const SE: u8 = 240;
