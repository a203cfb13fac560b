//! Server-sent events: a stream to one client, and the same events to many.

mod event;
mod feed;
mod sender;

pub use self::event::Event;
pub use self::feed::EventFeed;
pub use self::sender::{EventSender, Events};
