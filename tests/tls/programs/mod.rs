//! Against programs of other projects, one file each. A program that is not installed is
//! skipped, by name; CONTRIBUTING.md says how to install all of them.

mod curl;
mod gnutls;
mod haproxy;
mod nginx;
mod openssl_client;
mod openssl_server;
pub(crate) mod protocols;
mod python;
mod socat;
mod sslscan;
mod starttls;
pub(crate) mod support;
mod testssl;
