//! The defaults in the table of SECURITY.md are those of the sources.

use std::fs;

use crate::pages::{quoted, root};

/// The beginning of a row, the source of its default, and what stands before the value there.
const SOURCES: &[(&str, &str, &str)] = &[
    (
        "connections that wait",
        "reactor/src/sys/socket.rs",
        "            backlog: ",
    ),
    (
        "an attempt to connect",
        "reactor/src/tcp/options.rs",
        "const CONNECT_TIMEOUT: Duration = ",
    ),
    (
        "an attempt to connect",
        "reactor/src/unix/connect.rs",
        "const TIMEOUT: Duration = ",
    ),
    (
        "unsent output at which reading",
        "reactor/src/connection/limits.rs",
        "            high_water: ",
    ),
    (
        "unsent output at which a connection is aborted whose",
        "reactor/src/connection/limits.rs",
        "            max_buffered: ",
    ),
    (
        "the time in which the peer",
        "reactor/src/connection/limits.rs",
        "            stall_timeout: ",
    ),
    (
        "unsent output at which a connection is aborted at once",
        "reactor/src/connection/limits.rs",
        "const MOST_TIMES: usize = ",
    ),
    (
        "a close in which",
        "reactor/src/connection/cold.rs",
        "const CLOSE_TIMEOUT: Duration = ",
    ),
    (
        "input discarded",
        "reactor/src/connection/linger.rs",
        "const BYTES: usize = ",
    ),
    (
        "the time for it",
        "reactor/src/connection/linger.rs",
        "const TIME: Duration = ",
    ),
    (
        "all closes of a shutdown",
        "reactor/src/core/mod.rs",
        "const SHUTDOWN_TIMEOUT: Duration = ",
    ),
    (
        "unsent descriptors",
        "reactor/src/connection/output.rs",
        "const MAX_DESCRIPTORS: usize = ",
    ),
    (
        "a line",
        "reactor/src/framing/lines.rs",
        "const DEFAULT_MAX_LENGTH: usize = ",
    ),
    (
        "a frame with a delimiter",
        "reactor/src/framing/delimited.rs",
        "const DEFAULT_MAX_LENGTH: usize = ",
    ),
    (
        "a frame with its length",
        "reactor/src/framing/length_prefixed.rs",
        "const DEFAULT_MAX_LENGTH: usize = ",
    ),
    (
        "a netstring",
        "reactor/src/framing/netstrings.rs",
        "const DEFAULT_MAX_LENGTH: usize = ",
    ),
    (
        "unread bytes of a `ByteStream`",
        "reactor/src/byte_stream/protocol.rs",
        "const CAPACITY: usize = ",
    ),
    (
        "bytes in each direction that wait between a `RemoteStream`",
        "reactor/src/byte_stream/remote/shared.rs",
        "const CAPACITY: usize = ",
    ),
    (
        "a PROXY header",
        "reactor/src/filter/proxy_protocol/mod.rs",
        "const HEADER_TIMEOUT: Duration = ",
    ),
    (
        "its length in version 1",
        "reactor/src/filter/proxy_protocol/text.rs",
        "const MAX_LINE: usize = ",
    ),
    (
        "its length in version 2",
        "reactor/src/filter/proxy_protocol/binary.rs",
        "const MAX_LENGTH: usize = ",
    ),
    (
        "a TLS handshake",
        "reactor-tls/src/config.rs",
        "const HANDSHAKE_TIMEOUT: Duration = ",
    ),
    (
        "unsent output of filters",
        "reactor/src/connection/transport/filtered.rs",
        "const MAX_FILTERED: usize = ",
    ),
    (
        "the content of a subnegotiation",
        "reactor-telnet/src/framing.rs",
        "            max_subnegotiation: ",
    ),
    (
        "a line that the peer edits",
        "reactor-telnet/src/lines.rs",
        "            limit: ",
    ),
    (
        "a line of the editor",
        "reactor-telnet/src/editor/entry.rs",
        "const MOST: usize = ",
    ),
    (
        "lines of the editor's history",
        "reactor-telnet/src/editor/history.rs",
        "const MOST: usize = ",
    ),
    (
        "input behind a line",
        "reactor-telnet/src/input.rs",
        "const MOST_BACKLOG: usize = ",
    ),
    (
        "wrong passwords",
        "reactor-telnet/src/console/session.rs",
        "const ATTEMPTS: u32 = ",
    ),
    (
        "a line of an SMTP client",
        "reactor-mail/src/smtp/framing.rs",
        "const MAX_LINE: usize = ",
    ),
    (
        "mail that an SMTP client sends",
        "reactor-mail/src/smtp/server.rs",
        "            max_size: ",
    ),
    (
        "recipients of a message",
        "reactor-mail/src/smtp/server.rs",
        "            max_recipients: ",
    ),
    (
        "refused commands of a connection",
        "reactor-mail/src/smtp/server.rs",
        "            max_errors: ",
    ),
    (
        "an SMTP client that sends nothing",
        "reactor-mail/src/smtp/server.rs",
        "            idle_timeout: ",
    ),
    (
        "compression pointers of a name",
        "reactor-names/src/message/walk.rs",
        "const MAX_POINTERS_PER_NAME: usize = ",
    ),
    (
        "those of all its names",
        "reactor-names/src/message/walk.rs",
        "const MAX_POINTERS_PER_MESSAGE: usize = ",
    ),
    (
        "labels of all its names",
        "reactor-names/src/message/walk.rs",
        "const MAX_LABELS_PER_BYTE: usize = ",
    ),
    (
        "aliases from a name",
        "reactor-names/src/client/answer.rs",
        "const MAX_ALIASES: usize = ",
    ),
    (
        "answers in the cache",
        "reactor-names/src/config.rs",
        "const MAX_CACHED: usize = ",
    ),
    (
        "seconds for which an answer",
        "reactor-names/src/client/answer.rs",
        "const MAX_TTL: u32 = ",
    ),
    (
        "seconds for which it is kept",
        "reactor-names/src/client/answer.rs",
        "const MAX_NEGATIVE_TTL: u32 = ",
    ),
    (
        "questions that wait on a TCP",
        "reactor-names/src/client/tcp.rs",
        "const MAX_PIPELINED: usize = ",
    ),
    (
        "a TCP or TLS connection without",
        "reactor-names/src/client/tcp.rs",
        "const IDLE_TIMEOUT: Duration = ",
    ),
    (
        "a response over UDP",
        "reactor-names/src/server/respond.rs",
        "const MAX_UDP_SIZE: u16 = ",
    ),
    (
        "questions that a UDP port answers",
        "reactor-names/src/server/udp.rs",
        "const MAX_PENDING: usize = ",
    ),
    (
        "questions that a TCP connection answers",
        "reactor-names/src/server/tcp.rs",
        "const MAX_PENDING: usize = ",
    ),
    (
        "a silent TCP connection of a DNS server",
        "reactor-names/src/server/tcp.rs",
        "const IDLE_TIMEOUT: Duration = ",
    ),
    (
        "aliases that are followed for a question",
        "reactor-names/src/server/zone/lookup.rs",
        "const MAX_ALIASES: usize = ",
    ),
    (
        "a zone that is transferred",
        "reactor-names/src/server/transfer/receive.rs",
        "const MAX_ZONE: usize = ",
    ),
    (
        "a primary that sends nothing",
        "reactor-names/src/server/transfer/receive.rs",
        "const IDLE_TIMEOUT: Duration = ",
    ),
    (
        "datagrams of a NOTIFY",
        "reactor-names/src/server/transfer/notify.rs",
        "const ATTEMPTS: u32 = ",
    ),
    (
        "the pause between two checks of a primary",
        "reactor-names/src/server/transfer/secondary.rs",
        "const SHORTEST_PAUSE: Duration = ",
    ),
    (
        "networks whose rate a UDP port knows",
        "reactor-names/src/server/rate_limit.rs",
        "const MAX_PREFIXES: usize = ",
    ),
    (
        "an IMAP command with its literals",
        "reactor-mail/src/imap/framing.rs",
        "const MAX_COMMAND: u32 = ",
    ),
    (
        "the lines of an IMAP command",
        "reactor-mail/src/imap/framing.rs",
        "const MAX_LINES: usize = ",
    ),
    (
        "the name of a mailbox",
        "reactor-mail/src/store/name.rs",
        "const MAX_NAME: usize = ",
    ),
    (
        "a message that waits to be written to a Maildir",
        "reactor-mail/src/maildir/delivery.rs",
        "const BUFFER: usize = ",
    ),
    (
        "a delivery to a Maildir that its process has not finished",
        "reactor-mail/src/maildir/folder.rs",
        "const MAX_UNFINISHED: Duration = ",
    ),
    (
        "a response of an IMAP server, without",
        "reactor-mail/src/imap/client/framing.rs",
        "const MAX_RESPONSE: usize = ",
    ),
    (
        "responses that an IMAP command collects",
        "reactor-mail/src/imap/client/receiving.rs",
        "const MAX_COLLECTED: usize = ",
    ),
    (
        "the wait for a sign of life of an IMAP server",
        "reactor-mail/src/imap/client/builder.rs",
        "const TIMEOUT: Duration = ",
    ),
    (
        "one IDLE of an IMAP client",
        "reactor-mail/src/imap/client/builder.rs",
        "const IDLE_RENEWAL: Duration = ",
    ),
    (
        "a message of an SMTP client, from DATA",
        "reactor-mail/src/smtp/server.rs",
        "            message_timeout: ",
    ),
    (
        "a connection of an SMTP client",
        "reactor-mail/src/smtp/server.rs",
        "            session_timeout: ",
    ),
    (
        "failed logins of an SMTP client",
        "reactor-mail/src/smtp/server.rs",
        "            max_failed_logins: ",
    ),
    (
        "the reply to each of them",
        "reactor-mail/src/smtp/server.rs",
        "            failed_login_delay: ",
    ),
    (
        "a message that an IMAP client appends",
        "reactor-mail/src/imap/server/imap_server.rs",
        "const MAX_SIZE: u32 = ",
    ),
    (
        "refused commands of an IMAP connection",
        "reactor-mail/src/imap/server/imap_server.rs",
        "const MAX_ERRORS: u32 = ",
    ),
    (
        "an IMAP client that does not log in",
        "reactor-mail/src/imap/server/imap_server.rs",
        "const LOGIN_TIMEOUT: Duration = ",
    ),
    (
        "wrong passwords of an IMAP connection",
        "reactor-mail/src/imap/server/imap_server.rs",
        "const MAX_FAILED_LOGINS: u32 = ",
    ),
    (
        "the answer to each of them",
        "reactor-mail/src/imap/server/imap_server.rs",
        "const FAILED_LOGIN_DELAY: Duration = ",
    ),
    (
        "an IMAP client that sends nothing",
        "reactor-mail/src/imap/server/imap_server.rs",
        "const IDLE_TIMEOUT: Duration = ",
    ),
    (
        "keywords that an IMAP command names",
        "reactor-mail/src/imap/server/text.rs",
        "const MAX_KEYWORDS: usize = ",
    ),
    (
        "keys of an IMAP search",
        "reactor-mail/src/imap/server/search.rs",
        "const MAX_KEYS: usize = ",
    ),
    (
        "items of an IMAP fetch",
        "reactor-mail/src/imap/server/fetch.rs",
        "const MAX_ITEMS: usize = ",
    ),
    (
        "parts of a message that IMAP shows",
        "reactor-mail/src/imap/mime/part.rs",
        "const MAX_PARTS: usize = ",
    ),
    (
        "the depth of parts that IMAP shows",
        "reactor-mail/src/imap/mime/part.rs",
        "const MAX_DEPTH: usize = ",
    ),
    (
        "a field of a header that IMAP shows",
        "reactor-mail/src/imap/mime/field.rs",
        "const MAX_FIELD: usize = ",
    ),
    (
        "a field with parameters that IMAP shows",
        "reactor-mail/src/imap/mime/field.rs",
        "const MAX_CONTENT_FIELD: usize = ",
    ),
    (
        "the pattern of an IMAP list",
        "reactor-mail/src/imap/server/pattern.rs",
        "const MAX_PATTERN: usize = ",
    ),
    (
        "what an IMAP server writes before the client reads",
        "reactor-mail/src/imap/server/output.rs",
        "const PIECE: usize = ",
    ),
    (
        "the wait for a reply of an SMTP server",
        "reactor-mail/src/smtp/sender/replies.rs",
        "const REPLY_TIMEOUT: Duration = ",
    ),
    (
        "lines of a reply of an SMTP server",
        "reactor-mail/src/smtp/sender/replies.rs",
        "const MAX_REPLY_LINES: usize = ",
    ),
    (
        "servers of a domain that are tried for a message",
        "reactor-mail/src/smtp/sender/mx.rs",
        "const MAX_SERVERS: usize = ",
    ),
    (
        "a connection to an SMTP server without a message",
        "reactor-mail/src/smtp/sender/client.rs",
        "const IDLE_TIME: Duration = ",
    ),
    (
        "a datagram that comes in",
        "reactor/src/datagram/limits.rs",
        "            max_packet_size: ",
    ),
    (
        "datagrams that wait",
        "reactor/src/datagram/limits.rs",
        "            max_queued: ",
    ),
    (
        "unsent input of a child",
        "reactor/src/process/command.rs",
        "const MAX_BUFFERED: usize = ",
    ),
    (
        "collected output",
        "reactor/src/process/command.rs",
        "const MAX_OUTPUT: usize = ",
    ),
    (
        "the body of a request",
        "reactor-web/src/app/limits.rs",
        "            body: ",
    ),
    (
        "the head of a request",
        "reactor-web/src/app/limits.rs",
        "            head: ",
    ),
    (
        "headers of a request",
        "reactor-web/src/app/limits.rs",
        "            headers: ",
    ),
    (
        "a head from its",
        "reactor-web/src/app/limits.rs",
        "            head_timeout: ",
    ),
    (
        "a body of which",
        "reactor-web/src/app/limits.rs",
        "            body_timeout: ",
    ),
    (
        "an answer of which",
        "reactor-web/src/app/limits.rs",
        "            write_timeout: ",
    ),
    (
        "requests that run",
        "reactor-web/src/app/limits.rs",
        "            shutdown_timeout: ",
    ),
    (
        "addresses or other keys",
        "reactor-web/src/middleware/rate_limit.rs",
        "const MAX_KEYS: usize = ",
    ),
    (
        "logins that fail",
        "reactor-web/src/middleware/auth/attempts.rs",
        "const MAX_FAILURES: u32 = ",
    ),
    (
        "addresses whose failed",
        "reactor-web/src/middleware/auth/attempts.rs",
        "const MAX_ADDRESSES: usize = ",
    ),
    (
        "a nonce of",
        "reactor-web/src/middleware/auth/digest/nonces.rs",
        "const LIFETIME: Duration = ",
    ),
    (
        "nonces whose",
        "reactor-web/src/middleware/auth/digest/nonces.rs",
        "const MAX_NONCES: usize = ",
    ),
    (
        "a session that is not",
        "reactor-web/src/sessions/middleware.rs",
        "const IDLE_TIME: Duration = ",
    ),
    (
        "a session, used",
        "reactor-web/src/sessions/middleware.rs",
        "const ABSOLUTE_TIME: Duration = ",
    ),
    (
        "sessions in memory",
        "reactor-web/src/sessions/memory.rs",
        "const MAX_SESSIONS: usize = ",
    ),
    (
        "a session in its",
        "reactor-web/src/sessions/cookie_store.rs",
        "const MAX_LENGTH: usize = ",
    ),
    (
        "the field of a token",
        "reactor-web/src/sessions/multipart_field.rs",
        "const MAX_FIELD: u64 = ",
    ),
    (
        "what is read of a form",
        "reactor-web/src/sessions/multipart_field.rs",
        "const MAX_READ: usize = ",
    ),
    (
        "an id of a request",
        "reactor-web/src/middleware/request_id.rs",
        "const MAX_LENGTH: usize = ",
    ),
    (
        "idle connections when",
        "reactor-web/src/app/limits.rs",
        "            idle_grace: ",
    ),
    (
        "a frame of a WebSocket",
        "reactor-web/src/ws/options.rs",
        "            max_frame: ",
    ),
    (
        "a message of a WebSocket",
        "reactor-web/src/ws/options.rs",
        "            max_message: ",
    ),
    (
        "fragments of a message",
        "reactor-web/src/ws/options.rs",
        "            max_fragments: ",
    ),
    (
        "silence of a WebSocket's peer",
        "reactor-web/src/ws/options.rs",
        "const PING_INTERVAL: Duration = ",
    ),
    (
        "silence after the ping",
        "reactor-web/src/ws/options.rs",
        "            pong_timeout: ",
    ),
    (
        "the peer's close",
        "reactor-web/src/ws/options.rs",
        "            close_timeout: ",
    ),
    (
        "a client's handshake",
        "reactor-web/src/ws/client.rs",
        "const HANDSHAKE_TIMEOUT: Duration = ",
    ),
    (
        "bytes that wait for a member",
        "reactor-web/src/ws/rooms.rs",
        "const MAX_UNSENT: usize = ",
    ),
    (
        "unread input, and",
        "reactor-web/src/io/input.rs",
        "const CAPACITY: usize = ",
    ),
    (
        "unread input, and",
        "reactor-web/src/io/write.rs",
        "const HIGH_WATER: usize = ",
    ),
    (
        "a file that is read at once",
        "reactor-web/src/files/stream.rs",
        "const CHUNK: usize = ",
    ),
    (
        "events that wait for a client",
        "reactor-web/src/body/channel.rs",
        "const CAPACITY: usize = ",
    ),
    (
        "silence of an event stream",
        "reactor-web/src/events/sender.rs",
        "const KEEP_ALIVE: Duration = ",
    ),
    (
        "what comes out of a request",
        "reactor-web/src/app/limits.rs",
        "            body: ",
    ),
    (
        "ranges of one request",
        "reactor-web/src/files/ranges.rs",
        "const MAX_RANGES: usize = ",
    ),
    (
        "entries in the list",
        "reactor-web/src/files/listing.rs",
        "const MAX_ENTRIES: usize = ",
    ),
    (
        "requests under way to one upstream",
        "reactor-web/src/reverse/builder.rs",
        "const IN_FLIGHT: usize = ",
    ),
    (
        "failures in a row until",
        "reactor-web/src/reverse/builder.rs",
        "const FAILURES: u32 = ",
    ),
    (
        "how long an upstream is",
        "reactor-web/src/reverse/builder.rs",
        "const EJECTION: Duration = ",
    ),
    (
        "an upgraded connection of a rev",
        "reactor-web/src/reverse/builder.rs",
        "const TUNNEL_IDLE: Duration = ",
    ),
    (
        "requests under way to one origin",
        "reactor-web/src/client/config.rs",
        "const IN_FLIGHT: usize = ",
    ),
    (
        "connections that are kept for one",
        "reactor-web/src/client/config.rs",
        "const IDLE: usize = ",
    ),
    (
        "the time for which they are kept",
        "reactor-web/src/client/config.rs",
        "const IDLE_TIMEOUT: Duration = ",
    ),
    (
        "connecting, TLS included",
        "reactor-web/src/client/config.rs",
        "const CONNECT_TIMEOUT: Duration = ",
    ),
    (
        "the head of an answer",
        "reactor-web/src/client/config.rs",
        "const HEAD_TIMEOUT: Duration = ",
    ),
    (
        "its length, and that of a piece",
        "reactor-web/src/client/connection.rs",
        "const MAX_HEAD: usize = ",
    ),
    (
        "a piece of the content",
        "reactor-web/src/client/config.rs",
        "const READ_TIMEOUT: Duration = ",
    ),
    (
        "content of an answer that is coll",
        "reactor-web/src/client/config.rs",
        "const BODY_LIMIT: u64 = ",
    ),
    (
        "redirects",
        "reactor-web/src/client/config.rs",
        "const REDIRECTS: usize = ",
    ),
    (
        "content of a redirect",
        "reactor-web/src/client/exchange.rs",
        "const DISCARDED: usize = ",
    ),
    (
        "cookies of a domain",
        "reactor-web/src/client/cookies.rs",
        "const PER_DOMAIN: usize = ",
    ),
    (
        "cookies in all",
        "reactor-web/src/client/cookies.rs",
        "const IN_ALL: usize = ",
    ),
    (
        "threads for jobs",
        "reactor/src/threads/pool.rs",
        "const MAX_THREADS: usize = ",
    ),
    (
        "threads for names",
        "reactor/src/resolver/system.rs",
        "const MAX_THREADS: usize = ",
    ),
];

/// A row of the table: limit, default, set by.
struct Row(Vec<String>);

fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join("SECURITY.md")).expect("the page");
    let (_, table) = page.split_once("## Limits").expect("the section");
    let cells = |line: &str| -> Vec<String> {
        let line = line.trim().trim_matches('|');
        line.split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    table
        .lines()
        .filter(|line| line.starts_with('|') && !line.contains("**"))
        .skip(2)
        .map(|line| Row(cells(line)))
        .collect()
}

/// The text after `before` in a source, up to the end of the value.
fn value(path: &str, before: &str) -> String {
    let source = fs::read_to_string(root().join("crates").join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    let found = source
        .lines()
        .find_map(|line| Some(line.split_once(before)?.1));
    let value = found.unwrap_or_else(|| panic!("{path} has no {before:?}"));
    value.trim_end_matches([';', ',']).to_owned()
}

fn product(text: &str) -> usize {
    let factor = |text: &str| -> usize { text.trim().replace('_', "").parse().expect(text) };
    text.split('*').map(factor).product()
}

/// With a comma before the last three digits.
fn separated(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}

/// How the table may state it.
fn stated(value: &str) -> Vec<String> {
    if let Some(seconds) = value.strip_prefix("Duration::from_secs(") {
        let seconds = product(seconds.trim_end_matches(')'));
        return vec![format!("{seconds} s"), format!("{} s", separated(seconds))];
    }
    let number = product(value);
    let thousands = separated(number);
    let mut stated = vec![
        number.to_string(),
        thousands.clone(),
        format!("{thousands} bytes"),
    ];
    for (unit, size) in [("KiB", 1024), ("MiB", 1024 * 1024)] {
        if number.is_multiple_of(size) && number / size < 1024 {
            stated.push(format!("{} {unit}", number / size));
        }
    }
    stated
}

#[test]
fn the_defaults_of_the_table_are_those_of_the_sources() {
    let rows = rows();
    for (limit, path, before) in SOURCES {
        let mut of_limit = rows.iter().filter(|row| row.0[0].starts_with(limit));
        let row = of_limit
            .next()
            .unwrap_or_else(|| panic!("no row for {limit:?}"));
        let stated = stated(&value(path, before));
        let default = row.0[1].split(" times").next().expect("a text");
        assert!(
            stated.iter().any(|stated| stated == default),
            "{limit}: the table says {default:?}, {path} says one of {stated:?}"
        );
    }
    for row in rows {
        let [limit, default, _set_by] = &row.0[..] else {
            panic!("a row of other columns: {:?}", row.0);
        };
        let is_checked = SOURCES.iter().any(|(of, ..)| limit.starts_with(of));
        assert!(is_checked || default == "none", "{limit:?} is not checked");
    }
}

/// The text without the parameters of types.
fn without_parameters(text: &str) -> String {
    let mut depth = 0;
    let outside = |char: &char| {
        depth += i32::from(*char == '<');
        let is_outside = depth == 0;
        depth -= i32::from(*char == '>' && depth > 0);
        is_outside
    };
    text.chars().filter(outside).collect()
}

/// What sets a limit is a public item.
#[test]
fn what_sets_a_limit_exists() {
    let listings = [
        "reactor.txt",
        "reactor-mail.txt",
        "reactor-names.txt",
        "reactor-telnet.txt",
        "reactor-tls.txt",
        "reactor-web.txt",
    ]
    .map(|name| {
        let listing = fs::read_to_string(root().join("tests/api").join(name));
        without_parameters(&listing.expect("it is there"))
    });
    for row in rows() {
        for name in quoted(&row.0[2]) {
            let exists = listings.iter().any(|listing| listing.contains(name));
            assert!(exists, "{name} of {:?} is no public item", row.0[0]);
        }
    }
}
