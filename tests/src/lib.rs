//! Conformance with Twisted, and what a user of the crates could see, tested from the outside.
