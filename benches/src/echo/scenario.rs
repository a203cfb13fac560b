//! The loads that an echo server is put under.

/// Connections that each send a batch of messages, or a few, and another one when all of one
/// has come back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    /// The bytes of one message. An echoed message is a request.
    pub(crate) message: usize,
    /// Messages that are sent at once.
    pub(crate) batch: usize,
    /// Batches that are on their way at a time: when one is back, the next is sent.
    pub(crate) in_flight: usize,
    /// Each batch is sent on a connection of its own.
    pub(crate) reconnects: bool,
}

impl Scenario {
    pub(crate) const ALL: [Self; 7] = [
        Self::ping_pong("pp1", 1),
        Self::ping_pong("pp50", 50),
        Self::ping_pong("pp1000", 1000),
        Self {
            name: "pipe16",
            connections: 50,
            message: 64,
            batch: 16,
            in_flight: 1,
            reconnects: false,
        },
        Self {
            name: "bulk",
            connections: 8,
            message: 64 * 1024,
            batch: 1,
            in_flight: 1,
            reconnects: false,
        },
        Self {
            name: "bulk2",
            connections: 8,
            message: 64 * 1024,
            batch: 1,
            in_flight: 2,
            reconnects: false,
        },
        Self {
            reconnects: true,
            ..Self::ping_pong("churn", 8)
        },
    ];

    const fn ping_pong(name: &'static str, connections: usize) -> Self {
        Self {
            name,
            connections,
            message: 64,
            batch: 1,
            in_flight: 1,
            reconnects: false,
        }
    }

    /// Those that are asked for by name; all, if none is.
    pub(crate) fn named(names: &[String]) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(|scenario| names.is_empty() || names.iter().any(|name| name == scenario.name))
    }

    /// What it is, in words.
    pub(crate) fn text(&self) -> String {
        let Self {
            name,
            connections,
            message,
            batch,
            in_flight,
            reconnects,
        } = self;
        let each = if *reconnects {
            ", each on a connection of its own"
        } else {
            ""
        };
        let times = match in_flight {
            1 => String::new(),
            times => format!(", {times} times in flight"),
        };
        format!(
            "{name}: {connections} connections, {batch} messages of {message} bytes at \
             once{times}{each}"
        )
    }

    /// What a connection sends before it waits.
    pub(crate) fn batch_bytes(&self) -> usize {
        self.message * self.batch
    }
}
