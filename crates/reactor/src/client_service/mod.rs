//! `ClientService`: keeps one connection to an endpoint, and connects again when it is lost.

mod backoff;
mod builder;
mod machine;
mod service;
mod state;
mod stopped;

pub use self::backoff::Backoff;
pub use self::builder::ClientServiceBuilder;
pub use self::service::ClientService;
pub use self::state::ClientServiceState;
pub use self::stopped::ServiceStopped;
