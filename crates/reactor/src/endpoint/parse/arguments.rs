//! `Arguments`: the arguments of an endpoint description, after its prefix.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::{EndpointError, EndpointErrorKind};
use super::parser::EndpointParser;
use super::tokens::{Token, Tokens, quote};

type Result<T> = std::result::Result<T, EndpointError>;

/// The arguments of an endpoint description, which the function given to
/// [`EndpointParser::with_client`] or [`with_server`](EndpointParser::with_server) takes out one by
/// one. If an argument is left when that function returns, the description is an error.
///
/// An argument is found by its keyword (`port=80`), or, if it was given without one, by its
/// position: [`take`](Self::take) looks for the keyword first, then takes the next argument without
/// a keyword. [`keyword`](Self::keyword) looks for the keyword only.
///
/// # Examples
///
/// A server on one of the ports of a rack, `rack:12:backlog=5`:
///
/// ```
/// use reactor::TcpListenOptions;
/// use reactor::endpoint::EndpointParser;
///
/// let parser = EndpointParser::new().with_server("rack", |arguments| {
///     let port = 9000 + arguments.port("slot")?;
///     let backlog = arguments.number("backlog", 1..=100)?.unwrap_or(50);
///     let options = TcpListenOptions::new(("*", port)).backlog(backlog as u16);
///     Ok(Box::new(options))
/// });
/// assert!(parser.server("rack:12").is_ok());
/// assert!(parser.server("rack:slot=12:backlog=5").is_ok());
/// assert!(parser.server("rack:12:color=red").is_err());
/// ```
pub struct Arguments<'a> {
    parser: &'a EndpointParser,
    /// The arguments that were not taken yet, in their order.
    left: Tokens<'a>,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(parser: &'a EndpointParser, tokens: Tokens<'a>) -> Self {
        Self {
            parser,
            left: tokens,
        }
    }

    /// The parser that is running. For an endpoint that wraps another one, whose description is an
    /// argument or the [`rest`](Self::rest).
    pub fn parser(&self) -> &'a EndpointParser {
        self.parser
    }

    /// Takes the argument with the keyword `name`, or else the next one without a keyword.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.take_text(name).map(Cow::into_owned)
    }

    /// As [`take`](Self::take), but borrows from the description if the argument has no escapes.
    pub(in crate::endpoint) fn take_text(&mut self, name: &str) -> Option<Cow<'a, str>> {
        self.keyword_text(name)
            .or_else(|| self.take_where(|token| token.name.is_none()))
    }

    /// Takes the argument `name`, which is required.
    ///
    /// # Errors
    ///
    /// If the argument is missing.
    pub fn require(&mut self, name: &str) -> Result<String> {
        self.require_text(name).map(Cow::into_owned)
    }

    /// As [`require`](Self::require), but borrows from the description if the argument has no
    /// escapes.
    pub(in crate::endpoint) fn require_text(&mut self, name: &str) -> Result<Cow<'a, str>> {
        self.take_text(name).ok_or_else(|| {
            EndpointError::new(
                EndpointErrorKind::Missing,
                format!("it has no {name}, which is required"),
            )
        })
    }

    /// Takes the argument with the keyword `name`.
    pub fn keyword(&mut self, name: &str) -> Option<String> {
        self.keyword_text(name).map(Cow::into_owned)
    }

    fn keyword_text(&mut self, name: &str) -> Option<Cow<'a, str>> {
        self.take_where(|token| token.name.as_deref() == Some(name))
    }

    /// Takes the argument with the keyword `name`, as a number; `None` if it is missing.
    ///
    /// # Errors
    ///
    /// If the value is not a number within `range`.
    pub fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Result<Option<u32>> {
        self.keyword_text(name)
            .map(|value| number(name, &value, range))
            .transpose()
    }

    /// Takes the argument `name`, by keyword or position, as a port number.
    ///
    /// # Errors
    ///
    /// If the argument is missing, or not a number from 0 to 65535.
    pub fn port(&mut self, name: &str) -> Result<u16> {
        let value = self.require_text(name)?;
        let number = number(name, &value, 0..=u16::MAX.into())?;
        // Cannot fail: the range ends at `u16::MAX`.
        Ok(u16::try_from(number).unwrap_or(u16::MAX))
    }

    /// Takes the argument with the keyword `name`, as a flag: `1`, `true` or `yes`; `0`, `false` or
    /// `no`. `None` if it is missing.
    ///
    /// # Errors
    ///
    /// If the value is another one.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>> {
        let Some(value) = self.keyword_text(name) else {
            return Ok(None);
        };
        match value.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" => Ok(Some(true)),
            "0" | "false" | "no" => Ok(Some(false)),
            _ => Err(EndpointError::bad_value(
                name,
                &value,
                "is not a flag: expected 1 or 0",
            )),
        }
    }

    /// Takes the argument with the keyword `name`, as a time in seconds, which may have a fraction.
    /// `None` if it is missing.
    ///
    /// # Errors
    ///
    /// If the value is not a number, or is negative.
    pub fn seconds(&mut self, name: &str) -> Result<Option<Duration>> {
        let Some(value) = self.keyword_text(name) else {
            return Ok(None);
        };
        // `f64` also parses negative numbers, `inf` and `nan`; `try_from_secs_f64` refuses these.
        let seconds = value.parse().ok().map(Duration::try_from_secs_f64);
        match seconds {
            Some(Ok(seconds)) => Ok(Some(seconds)),
            _ => Err(EndpointError::bad_value(
                name,
                &value,
                "is not a number of seconds",
            )),
        }
    }

    /// The argument that [`take`](Self::take) would take, which stays.
    pub fn look(&self, name: &str) -> Option<&str> {
        let named = |token: &&Token<'_>| token.name.as_deref() == Some(name);
        let found = self.left.iter().find(named);
        let found = found.or_else(|| self.left.iter().find(|token| token.name.is_none()));
        found.map(|token| &*token.value)
    }

    /// Takes all arguments that are left, as one description. For an endpoint that wraps another
    /// one, as in `haproxy:from=any:tcp:8080`.
    pub fn rest(&mut self) -> String {
        // Escaped again, because the tokens have no escapes, and the result is parsed as a
        // description.
        let pieces = self.left.drain(..).map(|Token { name, value }| match name {
            Some(name) => format!("{}={}", quote(&name), quote(&value)),
            None => quote(&value),
        });
        pieces.collect::<Vec<_>>().join(":")
    }

    fn take_where(&mut self, is_it: impl FnMut(&Token<'_>) -> bool) -> Option<Cow<'a, str>> {
        let at = self.left.iter().position(is_it)?;
        Some(self.left.remove(at).value)
    }

    /// Errs if an argument is left.
    pub(super) fn finish(self) -> Result<()> {
        let Some(token) = self.left.into_iter().next() else {
            return Ok(());
        };
        let message = match token.name {
            Some(name) => format!("the argument {name:?} is unknown, or is given twice"),
            None => format!("the argument {:?} is one too many", token.value),
        };
        Err(EndpointError::new(EndpointErrorKind::Unexpected, message))
    }
}

fn number(name: &str, value: &str, range: RangeInclusive<u32>) -> Result<u32> {
    match value.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(EndpointError::bad_value(
            name,
            value,
            format_args!("is not a number from {} to {}", range.start(), range.end()),
        )),
    }
}

impl fmt::Debug for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Shows only the number of arguments, because a value may be a password.
        f.debug_struct("Arguments")
            .field("left", &self.left.len())
            .finish_non_exhaustive()
    }
}
