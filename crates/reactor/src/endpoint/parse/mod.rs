//! Endpoint descriptions: from a string such as `tcp:example.org:80` to an endpoint.

mod arguments;
mod error;
mod parser;
mod tokens;

pub use self::arguments::Arguments;
pub use self::error::{EndpointError, EndpointErrorKind};
pub use self::parser::EndpointParser;
pub use self::tokens::quote;
