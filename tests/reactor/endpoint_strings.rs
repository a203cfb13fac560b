//! Descriptions of endpoints: what they mean, and what is wrong with the others.

use std::cell::RefCell;
use std::rc::Rc;

use reactor::endpoint::{EndpointError, EndpointErrorKind, EndpointParser, quote};

fn client(text: &str) -> Result<(), EndpointError> {
    EndpointParser::new().client(text).map(drop)
}

fn server(text: &str) -> Result<(), EndpointError> {
    EndpointParser::new().server(text).map(drop)
}

#[test]
fn the_descriptions_of_the_table_are_understood() {
    for text in [
        "tcp:80",
        "tcp:port=80",
        "tcp:80:interface=127.0.0.1:backlog=5",
        "tcp:80:127.0.0.1",
        "tcp:80:interface=",
        "tcp4:0:interface=localhost",
        "tcp6:80:interface=\\:\\:1",
        "unix:/run/service",
        "unix:address=/run/service:mode=660:backlog=5:lockfile=0",
        "unix:@abstract",
        "stdio:",
        "stdio",
        "fd:3",
        "systemd:domain=INET:index=0",
        "systemd:INET6:index=1",
        "systemd:domain=UNIX:name=web",
        "systemd:name=web",
        "haproxy:from=192.0.2.7:tcp:80",
        "haproxy:from=192.0.2.7,2001\\:db8\\:\\:7:unix:/run/service:mode=660",
        "haproxy:from=any:tcp:80:interface=127.0.0.1",
    ] {
        assert_eq!(server(text), Ok(()), "{text}");
    }
    for text in [
        "tcp:example.org:80",
        "tcp:host=example.org:port=80",
        "tcp:port=80:example.org",
        "tcp:80:host=example.org",
        "tcp:example.org:80:timeout=0.5:bindAddress=127.0.0.1",
        "tcp:example.org:80:bindAddress=127.0.0.1\\:9000",
        "tcp6:\\:\\:1:80",
        "tcp4:example.org:80",
        "unix:/run/service:timeout=5",
        "stdio:",
        "fd:3",
        "fd:0:1",
        "fd:0:output=1",
    ] {
        assert_eq!(client(text), Ok(()), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    use EndpointErrorKind::{BadEscape, BadValue, Missing, Unexpected, UnknownPrefix};
    let known = "known prefixes are: fd, haproxy, stdio, systemd, tcp, tcp4, tcp6, unix";
    for (text, kind, message) in [
        (
            "tpc:80",
            UnknownPrefix,
            &*format!("no server has the prefix \"tpc\"; {known}"),
        ),
        ("", UnknownPrefix, "no server has the prefix"),
        ("tcp", Missing, "it has no port"),
        ("tcp:", Missing, "it has no port"),
        (
            "tcp:80:h:b:c",
            Unexpected,
            "the argument \"b\" is one too many",
        ),
        ("tcp:80:colour=red", Unexpected, "the argument \"colour\""),
        ("tcp:80:backlog=1:backlog=2", Unexpected, "\"backlog\""),
        (
            "tcp:65536",
            BadValue,
            "port \"65536\" is not a number from 0 to 65535",
        ),
        ("tcp:-1", BadValue, "is not a number"),
        ("tcp:80:backlog=0", BadValue, "from 1 to 65535"),
        ("tcp:80:interface=a b", BadValue, "interface \"a b\""),
        ("unix:", Missing, "it has no address"),
        (
            "unix:/run/x:mode=8",
            BadValue,
            "mode \"8\" is not an octal number",
        ),
        (
            "unix:/run/x:lockfile=maybe",
            BadValue,
            "is not a flag: expected 1 or 0",
        ),
        ("fd:-1", BadValue, "fd \"-1\""),
        ("systemd:domain=APPLETALK", BadValue, "INET6"),
        ("haproxy:tcp:80", Missing, "the senders of PROXY headers"),
        ("haproxy:from=any", Missing, "no endpoint at its end"),
        ("haproxy:from=example.org:tcp:80", BadValue, "addresses"),
        ("haproxy:from=:tcp:80", BadValue, "addresses"),
        (
            "haproxy:from=any:tcp:80:colour=red",
            Unexpected,
            "in \"tcp:80:colour=red\": the argument \"colour\" is unknown",
        ),
        (
            "haproxy:tpc:80:from=any",
            UnknownPrefix,
            "in \"tpc:80\": no server",
        ),
        (
            "haproxy:from=any:haproxy:from=any:tcp:x",
            BadValue,
            "in \"haproxy:from=any:tcp:x\": in \"tcp:x\": port \"x\"",
        ),
        ("tcp:80\\", BadEscape, "ends with a backslash"),
    ] {
        let error = server(text).expect_err(text);
        assert_eq!(error.kind(), kind, "{text}");
        assert_eq!(error.text(), text);
        assert!(error.to_string().contains(message), "{error}");
    }
    let error = client("systemd:index=0").expect_err("it is no client");
    assert_eq!(error.kind(), UnknownPrefix);
    assert!(
        error
            .to_string()
            .ends_with("known prefixes are: fd, stdio, tcp, tcp4, tcp6, unix")
    );
    for text in [
        "tcp:example.org",
        "tcp:example.org:80:timeout=-1",
        "tcp:a:80:timeout=inf",
    ] {
        assert!(client(text).is_err(), "{text}");
    }
}

/// The values that a prefix gets by each of the names, in this order; then the rest.
fn taken(text: &str, names: &'static [&str]) -> (Vec<Option<String>>, String) {
    let seen = Rc::new(RefCell::new((Vec::new(), String::new())));
    let sink = Rc::clone(&seen);
    let parser = EndpointParser::empty().with_client("x", move |arguments| {
        let values = names.iter().map(|name| arguments.take(name)).collect();
        sink.replace((values, arguments.rest()));
        Err(EndpointError::bad_value("", "", "it is only looked at"))
    });
    let _ = parser.client(text);
    seen.take()
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values
        .iter()
        .map(|value| Some((*value).to_owned()))
        .collect()
}

#[test]
fn escapes_and_keywords_are_twisteds() {
    // A colon, an equals sign and a backslash that are meant.
    assert_eq!(
        taken(r"x:a\:b:c\=d:e\\f", &["1", "2", "3"]).0,
        some(&["a:b", "c=d", "e\\f"])
    );
    // Behind the first, an equals sign means itself.
    assert_eq!(taken("x:k=a=b", &["k"]).0, some(&["a=b"]));
    // A keyword goes first, wherever it stands; positions are counted without them.
    assert_eq!(
        taken("x:one:b=two:three", &["a", "b", "c"]).0,
        some(&["one", "two", "three"])
    );
    // An empty value is one.
    assert_eq!(taken("x::b", &["a", "b"]).0, some(&["", "b"]));
    assert_eq!(taken("x:a=", &["a"]).0, some(&[""]));
}

#[test]
fn the_rest_is_a_description_again() {
    for rest in [
        "tcp:80",
        "unix:/a\\:b",
        "tls:443:key=a\\=b:cert=c\\\\d",
        "stdio:",
    ] {
        assert_eq!(taken(&format!("x:{rest}"), &[]).1, rest);
    }
}

#[test]
fn whatever_is_quoted_comes_back_as_it_was() {
    for value in [
        "", ":", "=", "\\", "a:b=c\\d", "\\\\::==", "ümläut", "/run/x y",
    ] {
        let text = format!("x:first:k={}:{}", quote(value), quote(value));
        let (values, rest) = taken(&text, &["k", "1", "2"]);
        assert_eq!(values, some(&[value, "first", value]), "{text}");
        assert_eq!(rest, "");
    }
}

#[test]
fn a_parser_is_a_value() {
    let with = EndpointParser::new().with_server("mine", |arguments| {
        let rest = arguments.rest();
        arguments.parser().server(&rest)
    });
    assert!(with.knows("mine:80") && !EndpointParser::new().knows("mine:80"));
    assert!(with.server("mine:tcp:80").is_ok());
    assert!(EndpointParser::new().server("mine:tcp:80").is_err());
    // The error of what is inside names that.
    let error = with
        .server("mine:tcp:eighty")
        .err()
        .expect("it is no number");
    assert_eq!(error.text(), "mine:tcp:eighty");
    assert!(
        error.to_string().contains("in \"tcp:eighty\": port"),
        "{error}"
    );
    // One side of a prefix does not make the other.
    assert_eq!(
        with.client("mine:tcp:80").err().expect("none").kind(),
        EndpointErrorKind::UnknownPrefix
    );
    assert!(!EndpointParser::empty().knows("tcp:80"));
}
