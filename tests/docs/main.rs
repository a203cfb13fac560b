//! The pages of the repository: what they say of files, tests and modules is so. And the
//! documentation of the crates: each public type and free function has an example.
//!
//! The programs in them are doc tests of the crates. What is here looks after the rest.

mod circles;
mod enums;
mod examples;
mod forge;
mod globs;
mod imports;
mod limits;
mod links;
mod named;
mod names;
mod pages;
mod phases;
mod quotes;
mod receiving;
mod words;
