//! Failures as `anyhow::Error`s, and back.

use std::num::ParseIntError;
use std::rc::Rc;

use anyhow::Context;
use deferred::{AlreadyCalled, Deferred, Failure, Trigger};

fn port(text: &str) -> deferred::Result<u16> {
    Ok(text.parse()?)
}

fn in_anyhow(text: &str) -> anyhow::Result<u16> {
    Ok(port(text)?)
}

#[test]
fn a_failure_becomes_an_anyhow_error_and_comes_back_with_its_story() {
    assert_eq!(in_anyhow("80").unwrap(), 80);
    let error = in_anyhow("http").unwrap_err();
    assert_eq!(error.to_string(), "invalid digit found in string");
    let failure = Failure::from_anyhow(error);
    assert!(failure.downcast_ref::<ParseIntError>().is_some());
    assert_eq!(failure.raised_at().line(), 10, "where `port` raised it");
}

#[test]
fn an_error_of_anyhow_becomes_a_failure_of_the_same_type() {
    let error = anyhow::Error::from("x".parse::<u8>().unwrap_err());
    let failure = Failure::from_anyhow(error);
    assert!(failure.downcast_ref::<ParseIntError>().is_some());
    assert_eq!(failure.raised_at().line(), line!() - 2);

    let failure = Failure::from_anyhow(anyhow::anyhow!("no {}", "page"));
    assert_eq!(failure.message(), "no page");

    let error = in_anyhow("http").context("reading the configuration");
    let failure = Failure::from_anyhow(error.unwrap_err());
    assert_eq!(failure.message(), "reading the configuration");
    assert!(failure.is::<ParseIntError>(), "by its sources");
}

#[test]
fn an_undelivered_value_becomes_an_anyhow_error() {
    fn fire(trigger: &Trigger<Rc<u8>>) -> anyhow::Result<()> {
        Ok(trigger.callback(Rc::new(1))?)
    }
    let (trigger, deferred) = Deferred::pair();
    fire(&trigger).unwrap();
    assert!(fire(&trigger).unwrap_err().is::<AlreadyCalled>());
    deferred.ignore();
}
