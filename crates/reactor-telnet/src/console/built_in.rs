//! The commands that look into the loop. `help`, `connections`, `history` and `quit` are about the
//! session, which runs them itself.

use std::fmt::Write;

use deferred::{Failure, Result};

use super::call::ConsoleCall;

type Run = fn(ConsoleCall) -> Result<String>;

/// Name, help and function of the commands that each console has.
pub(super) const OF_LOOP: [(&str, &str, Run); 4] = [
    (
        "close",
        "NUMBER [now]: closes the connection of that number in `connections`",
        close,
    ),
    ("timers", "when the delayed calls are due that wait", timers),
    ("counters", "what the loop has done so far", counters),
    ("stop", "stops the reactor", stop),
];

/// Names and help of the commands of the session.
pub(super) const OF_SESSION: [(&str, &str); 4] = [
    ("connections", "lists the open connections"),
    (
        "help",
        "[COMMAND]: lists the commands, or says what one does",
    ),
    ("history", "the lines that were entered"),
    ("quit", "ends this session"),
];

fn close(call: ConsoleCall) -> Result<String> {
    let number: usize = call.required(0, "the number of a connection")?.parse()?;
    let connection = number
        .checked_sub(1)
        .and_then(|index| call.listed.get(index));
    let Some(connection) = connection else {
        let text = format!("there is no number {number} in the last list of `connections`");
        return Err(Failure::msg(text));
    };
    let peer = connection.peer()?;
    match call.argument(1) {
        None => {
            connection.lose_connection();
            Ok(format!(
                "the connection with {peer} closes when all is sent"
            ))
        }
        Some("now") => {
            connection.abort();
            Ok(format!("the connection with {peer} is aborted"))
        }
        Some(other) => Err(Failure::msg(format!("`now` was expected, not `{other}`"))),
    }
}

fn timers(call: ConsoleCall) -> Result<String> {
    let now = call.reactor().now();
    let waiting = call.reactor().waiting_calls();
    if waiting.is_empty() {
        return Ok("no delayed call waits".to_owned());
    }
    let mut text = String::new();
    for call in waiting {
        let rest = call.due.saturating_sub(now).as_secs_f64();
        // Writing to a `String` does not fail, here and below.
        let _ = writeln!(text, "in {rest:.3} s  {}", call.function);
    }
    Ok(text)
}

fn counters(call: ConsoleCall) -> Result<String> {
    let counters = call.reactor().counters();
    let rows: [(&str, u64); 11] = [
        ("turns", counters.turns),
        ("events", counters.events),
        ("delayed calls", counters.delayed_calls),
        ("waiting calls", counters.waiting_calls as u64),
        ("event triggers", counters.system_event_triggers as u64),
        ("jobs", counters.jobs),
        ("slow callbacks", counters.slow_callbacks),
        ("connections made", counters.connections_made),
        ("connections", counters.connections as u64),
        ("bytes received", counters.bytes_received),
        ("bytes sent", counters.bytes_sent),
    ];
    let mut text = String::new();
    for (name, number) in rows {
        let _ = writeln!(text, "{name:<18}{number}");
    }
    Ok(text)
}

fn stop(call: ConsoleCall) -> Result<String> {
    call.reactor().stop();
    Ok("the reactor stops".to_owned())
}
