//! The pages of the repository: what they say of files, tests and modules is so.
//!
//! The programs in them are doc tests of the crates. What is here looks after the rest.

mod imports;
mod links;
mod named;
mod names;
mod pages;
mod quotes;
