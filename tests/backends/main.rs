//! Programs on our loop against real servers: PostgreSQL, Redis and NATS. Each server is started
//! here, in a folder of its own and at no fixed port; one that is not installed is skipped, by name.

mod nats;
mod postgres;
mod redis_crate;
mod redis_framing;
mod servers;
