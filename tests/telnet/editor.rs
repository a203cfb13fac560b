//! The editor: keys of a terminal, and what is drawn.

use reactor::testing::{self, Peer};
use reactor_telnet::InputMode;

use crate::support::{seen, server};

/// The rows of a terminal of 20 columns, after what was sent to it.
struct Terminal {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Terminal {
    const COLUMNS: usize = 20;

    fn new() -> Self {
        Self {
            rows: vec![Vec::new()],
            row: 0,
            column: 0,
        }
    }

    /// As xterm does it, with the wrap that happens when the next character comes.
    fn print(&mut self, character: char) {
        if self.column == Self::COLUMNS {
            self.row += 1;
            self.column = 0;
        }
        if self.rows.len() <= self.row {
            self.rows.resize(self.row + 1, Vec::new());
        }
        let row = &mut self.rows[self.row];
        if row.len() <= self.column {
            row.resize(self.column + 1, ' ');
        }
        row[self.column] = character;
        self.column += 1;
    }

    fn show(&mut self, text: &str) {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\r' => self.column = 0,
                '\0' | '\x07' => {}
                '\n' => {
                    self.row += 1;
                    if self.rows.len() <= self.row {
                        self.rows.resize(self.row + 1, Vec::new());
                    }
                }
                '\x1b' => {
                    assert_eq!(characters.next(), Some('['));
                    let mut number = 0;
                    let end = loop {
                        match characters.next().expect("a whole sequence") {
                            digit @ '0'..='9' => {
                                number = number * 10 + digit as usize - '0' as usize;
                            }
                            end => break end,
                        }
                    };
                    match end {
                        'A' => self.row -= number,
                        'C' => self.column += number,
                        'J' if number == 0 => {
                            self.rows.truncate(self.row + 1);
                            self.rows[self.row].truncate(self.column);
                        }
                        other => panic!("not known to this terminal: {number}{other}"),
                    }
                }
                other => self.print(other),
            }
        }
    }

    fn text(&self) -> Vec<String> {
        let trimmed = |row: &Vec<char>| row.iter().collect::<String>().trim_end().to_owned();
        self.rows.iter().map(trimmed).collect()
    }
}

/// What the peer has received, without negotiations.
fn drawn(peer: &Peer) -> String {
    let mut text = Vec::new();
    let mut bytes = peer.received().into_iter();
    while let Some(byte) = bytes.next() {
        if byte == 255 {
            bytes.nth(1);
        } else {
            text.push(byte);
        }
    }
    String::from_utf8(text).expect("text")
}

/// What is on the terminal in the end, and what the server was told.
struct Typed {
    rows: Vec<String>,
    cursor: (usize, usize),
    told: Vec<String>,
}

/// Types `keys` into an editor, a byte at a time, on a terminal of 20 columns.
fn type_in(keys: &str) -> Typed {
    let mut typed = None;
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Editor);
        peer.send(b"\xff\xfb\x1f\xff\xfa\x1f\x00\x14\x00\x05\xff\xf0");
        recorder.take();
        drawn(&peer);
        let mut terminal = Terminal::new();
        terminal.show("> ");
        for byte in keys.bytes() {
            peer.send([byte]);
            terminal.show(&drawn(&peer));
        }
        typed = Some(Typed {
            rows: terminal.text(),
            cursor: (terminal.row, terminal.column),
            told: recorder.take(),
        });
    });
    typed.expect("it has run")
}

const LEFT: &str = "\x1b[D";
const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";

#[test]
fn echo_and_keys_are_asked_for() {
    testing::run(|reactor| {
        let (_, _, peer) = server(reactor, InputMode::Editor);
        let text = seen(&peer);
        // WILL ECHO, WILL SUPPRESS GO-AHEAD, DO WINDOW SIZE.
        assert!(
            text.starts_with("\\xff\\xfb\\x01\\xff\\xfb\\x03\\xff\\xfd\\x1f"),
            "{text}"
        );
    });
}

#[test]
fn keys_edit_the_line() {
    for (keys, line) in [
        ("abc\r", "abc"),
        ("abc\x7f\x08d\r", "ad"),
        ("abc\x1b[D\x1b[DX\r", "aXbc"),
        ("abc\x01X\x05Y\r", "XabcY"),
        ("abc\x1b[HX\x1b[FY\r", "XabcY"),
        ("abc\x1bOHX\x1bOFY\r", "XabcY"),
        ("abc\x1b[1~X\x1b[4~Y\r", "XabcY"),
        ("abc\x1b[D\x1b[3~\r", "ab"),
        ("abc\x02\x04\r", "ab"),
        ("one two  \x17X\r", "one X"),
        ("one two\x15X\r", "X"),
        ("one two\x1b[1;5D\x0bX\r", "one X"),
        ("one two\x01\x1b[1;5CX\r", "oneX two"),
        ("one two\x1bb\x1bbX\x1bfY\r", "XoneY two"),
        ("a\u{e9}\u{4e16}\x1b[DX\x7f\x7fY\r", "aY\u{4e16}"),
        ("a\x1b[99;5Zb\x1b]0;title\x07c\r", "abc"),
    ] {
        let typed = type_in(keys);
        assert_eq!(typed.told, [format!("line {line}")], "{keys:?}");
        assert_eq!(typed.rows[0], format!("> {line}"), "{keys:?}");
        assert_eq!(typed.rows[1], format!("<{line}>"), "{keys:?}");
        assert_eq!(typed.rows[2], ">", "{keys:?}");
    }
}

#[test]
fn an_enter_key_is_cr_lf_or_both() {
    let typed = type_in("a\rb\r\nc\nd\r\0e\r");
    assert_eq!(
        typed.told,
        ["line a", "line b", "line c", "line d", "line e"]
    );
}

#[test]
fn a_line_longer_than_the_terminal_is_drawn_where_it_belongs() {
    let long = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (keys, rows, cursor) in [
        (
            String::from(&long[..17]),
            vec!["> abcdefghijklmnopq"],
            (0, 19),
        ),
        (
            String::from(&long[..18]),
            vec!["> abcdefghijklmnopqr", ""],
            (1, 0),
        ),
        (
            String::from(&long[..19]),
            vec!["> abcdefghijklmnopqr", "s"],
            (1, 1),
        ),
        (
            format!("{}{}X", &long[..20], LEFT.repeat(10)),
            vec!["> abcdefghijXklmnopq", "rst"],
            (0, 13),
        ),
        (
            format!("{}{}\x7f", &long[..20], LEFT.repeat(2)),
            vec!["> abcdefghijklmnopqs", "t"],
            (0, 19),
        ),
        (format!("{long}\x15"), vec![">"], (0, 2)),
        (
            format!("{long}\x01"),
            vec!["> abcdefghijklmnopqr", "stuvwxyz0123456789"],
            (0, 2),
        ),
    ] {
        let typed = type_in(&keys);
        assert_eq!(typed.rows, rows, "{keys:?}");
        assert_eq!(typed.cursor, cursor, "{keys:?}");
    }
}

#[test]
fn older_lines_come_again() {
    let keys = format!("one\rtwo\r\rtwo\rthr{UP}{UP}{UP}{DOWN}{DOWN}ee\r{UP}\r");
    let typed = type_in(&keys);
    let expected = ["one", "two", "", "two", "three", "three"];
    assert_eq!(typed.told, expected.map(|line| format!("line {line}")));
}

#[test]
fn tab_completes_as_far_as_it_is_clear() {
    let typed = type_in("x con\ti\t");
    assert_eq!(typed.rows, ["> x connections"]);
    let typed = type_in("cl\tx\r");
    assert_eq!(typed.told, ["line close x"]);
    let typed = type_in("connect\t");
    assert_eq!(
        typed.rows,
        ["> connect", "connect  connections", "> connect"]
    );
    assert_eq!(typed.cursor, (2, 9));
}

#[test]
fn ctrl_c_and_ctrl_d() {
    let typed = type_in("abc\x03d\r");
    assert_eq!(typed.told, ["interrupted", "line d"]);
    assert_eq!(typed.rows[..2], ["> abc", "> d"]);
    testing::run(|reactor| {
        let (_, _, peer) = server(reactor, InputMode::Editor);
        peer.send("\x04");
        assert!(peer.is_closed());
    });
}

#[test]
fn ctrl_c_cancels_what_is_awaited_and_drops_what_was_typed_ahead() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Editor);
        peer.send("wait\rahead\rmore\x03after\r");
        assert_eq!(
            recorder.take(),
            ["line wait", "cancelled", "waited", "line after"]
        );
    });
}

#[test]
fn a_password_is_not_drawn_nor_remembered() {
    let keys = format!("secret\rpass\x7fs\r{UP}\r");
    let typed = type_in(&keys);
    assert_eq!(typed.told, ["line secret", "password pass", "line secret"]);
    assert_eq!(typed.rows[1], "password:");
    assert!(!typed.rows.concat().contains("pas\u{20}"));
    assert!(!typed.rows.iter().any(|row| row.contains(": p")));
}

#[test]
fn a_password_is_not_kept_as_an_unfinished_line() {
    // The keys that ask for other lines ring the bell, at the password and behind it.
    for older in [UP, "\x10"] {
        let typed = type_in(&format!("secret\rpass{older}\r{DOWN}\x0e\r"));
        assert_eq!(typed.told, ["line secret", "password pass", "line "]);
        assert_eq!(typed.rows[1..], ["password:", ">", "<>", ">"]);
    }
}

#[test]
fn an_interrupt_ends_the_look_at_older_lines() {
    let typed = type_in(&format!("one\rtwo\rthr{UP}{UP}\x03{DOWN}x{UP}\r"));
    assert_eq!(
        typed.told,
        ["line one", "line two", "interrupted", "line two"]
    );
}

#[test]
fn a_function_key_that_does_not_end_is_none() {
    for key in ["\r", "\x08", LEFT, "\x1bb"] {
        let typed = type_in(&format!("x\x1bO{key}A\r"));
        let line = typed.told.last().expect("a line");
        assert!(line.contains('A'), "{line:?} behind {key:?}");
    }
}

#[test]
fn output_in_between_leaves_the_line_as_it_is() {
    testing::run(|reactor| {
        let (recorder, connection, peer) = server(reactor, InputMode::Editor);
        let mut terminal = Terminal::new();
        terminal.show(&drawn(&peer));
        peer.send(format!("abc{LEFT}"));
        let told = connection.post(|telnet, cx| {
            telnet.run(cx, |_, cx| {
                cx.write("news\n");
                Ok(())
            })
        });
        told.unwrap();
        terminal.show(&drawn(&peer));
        assert_eq!(terminal.text(), ["news", "> abc"]);
        assert_eq!(terminal.column, 4);
        peer.send("X\r");
        assert_eq!(recorder.take().last().unwrap(), "line abXc");
    });
}

#[test]
fn a_client_that_refuses_the_echo_sends_lines() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Editor);
        peer.send(b"\xff\xfe\x01\xff\xfe\x03\xff\xfc\x1f");
        seen(&peer);
        peer.send("a\x7fb\r\n");
        assert_eq!(recorder.take(), ["line a\u{7f}b"]);
        assert_eq!(seen(&peer), "<a\\x7fb>\\r\\n> ");
    });
}

/// A client of an editor that ends its side is gone: what is awaited is of no use any more.
#[test]
fn what_is_awaited_is_cancelled_when_the_client_goes() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Editor);
        peer.send("wait\r");
        peer.finish();
        assert!(peer.is_closed());
        assert!(recorder.take().contains(&"cancelled".to_owned()));
    });
}

#[test]
fn a_line_has_a_limit() {
    testing::run(|reactor| {
        let (recorder, _, peer) = server(reactor, InputMode::Editor);
        peer.send("x".repeat(5000));
        peer.send("\r");
        let told = recorder.take();
        assert_eq!(told[0].len(), "line ".len() + 4096);
    });
}
