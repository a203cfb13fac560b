//! `Params`: the values of a path for the parameters of its routes.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use deferred::Result;
use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

use crate::error::HttpError;

/// Parameters of the routes that a request has passed, from the outermost app inwards.
///
/// A value is a range of the path; only one with percent-encoding is decoded, into a string.
#[derive(Default)]
pub(crate) struct Params {
    // Up to two need no allocation: most routes have no more.
    values: SmallVec<[Param; 2]>,
    /// Offset in the path at which a nested app's path begins.
    // At most the length of the path: then the nested path is empty.
    rest: usize,
    route: Option<Rc<Route>>,
}

/// A pattern and its parameters' names, which the requests of a route share.
pub(crate) struct Route {
    pub(crate) pattern: String,
    pub(crate) names: Vec<String>,
    /// Whether the route is a mount: another handler routes the paths below it.
    pub(crate) is_mount: bool,
}

struct Param {
    route: Rc<Route>,
    /// Index of its name in `route.names`.
    index: usize,
    value: Value,
}

enum Value {
    Plain(Range<usize>),
    Decoded(String),
    NotUtf8,
}

impl Params {
    /// The part of the path `whole` that is still to be routed.
    pub(crate) fn rest<'a>(&self, whole: &'a str) -> &'a str {
        &whole[self.rest..]
    }

    /// Sets where the rest begins.
    pub(crate) fn set_rest(&mut self, rest: usize) {
        self.rest = rest;
    }

    pub(crate) fn set_route(&mut self, route: Rc<Route>) {
        self.route = Some(route);
    }

    pub(crate) fn route(&self) -> Option<&Rc<Route>> {
        self.route.as_ref()
    }

    pub(crate) fn pattern(&self) -> Option<&str> {
        Some(&self.route.as_ref()?.pattern)
    }

    /// Adds the parameter at `index` of `route`: the text `value`, which is at `range` of the path.
    pub(crate) fn push(
        &mut self,
        route: &Rc<Route>,
        index: usize,
        range: Range<usize>,
        value: &str,
    ) {
        let value = if value.contains('%') {
            match percent_decode_str(value).decode_utf8() {
                // A `%` without two hexadecimal digits stays as it is.
                Ok(Cow::Borrowed(_)) => Value::Plain(range),
                Ok(Cow::Owned(decoded)) => Value::Decoded(decoded),
                // Noted, not refused: the handler may never read this parameter.
                Err(_) => Value::NotUtf8,
            }
        } else {
            Value::Plain(range)
        };
        let route = Rc::clone(route);
        self.values.push(Param {
            route,
            index,
            value,
        });
    }

    /// The innermost parameter with this name.
    pub(crate) fn get<'a>(&'a self, path: &'a str, name: &str) -> Result<&'a str> {
        let is_named = |param: &&Param| param.route.names[param.index] == name;
        match self.values.iter().rev().find(is_named) {
            Some(param) => match &param.value {
                Value::Plain(range) => Ok(&path[range.clone()]),
                Value::Decoded(decoded) => Ok(decoded),
                Value::NotUtf8 => Err(HttpError::bad_request("the path is not UTF-8").into()),
            },
            None => Err(NoSuchParam {
                name: name.to_owned(),
                route: self.pattern().unwrap_or_default().to_owned(),
            }
            .into()),
        }
    }
}

/// A handler asks for a parameter that its route does not have.
#[derive(Debug)]
struct NoSuchParam {
    name: String,
    route: String,
}

impl fmt::Display for NoSuchParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, route } = self;
        write!(f, "the route `{route}` has no parameter `{name}`")
    }
}

impl Error for NoSuchParam {}
