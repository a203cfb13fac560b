//! nginx (its module `stream`) in front of our server: it passes TLS on, or ends it and begins it
//! anew, and says in a PROXY header whose connection it is.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tests::{is_there, skip};

use super::haproxy::{behind_a_balancer, talks_through};
use super::support::{Files, Program};

/// Where Debian has what it does not build in.
const STREAM: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

fn is_nginx_there() -> bool {
    let has_stream = Path::new(STREAM).exists();
    if !has_stream {
        skip("no nginx with the module stream");
    }
    has_stream && is_there("nginx")
}

/// nginx in the foreground, with one worker. It takes an inherited socket that has the address of
/// a `listen`.
fn nginx(files: &Files, listen: &str, server: &str) -> (Program, SocketAddr) {
    Program::start_with_listener(|address| {
        let text = format!(
            "load_module {STREAM};\ndaemon off;\nworker_processes 1;\npid {pid};\n\
             error_log stderr;\nevents {{}}\nstream {{\n  server {{\n    \
             listen {address} {listen};\n    {server}\n  }}\n}}\n",
            pid = files.path("nginx.pid"),
        );
        files.write("nginx.conf", &text);
        let mut command = Command::new("nginx");
        command
            .args(["-e", "stderr", "-c", &files.path("nginx.conf")])
            .env("NGINX", "3;");
        command
    })
}

#[test]
fn nginx_passes_tls_on() {
    if !is_nginx_there() {
        return;
    }
    let files = Files::new("nginx-through");
    let site = behind_a_balancer(&files);
    let server = format!("proxy_pass {}; proxy_protocol on;", site.address);
    let (_nginx, address) = nginx(&files, "", &server);
    talks_through(&site, address, &files);
}

#[test]
fn nginx_ends_tls_and_begins_it_anew() {
    if !is_nginx_there() {
        return;
    }
    let files = Files::new("nginx-anew");
    let site = behind_a_balancer(&files);
    for version in ["TLSv1.2", "TLSv1.3"] {
        let server = format!(
            "proxy_pass {address}; proxy_protocol on; proxy_ssl on; proxy_ssl_protocols {version};
             proxy_ssl_verify on; proxy_ssl_trusted_certificate {roots}; proxy_ssl_name localhost;
             proxy_ssl_server_name on; ssl_certificate {certificate}; ssl_certificate_key {key};
             ssl_client_certificate {roots}; ssl_verify_client on; ssl_alpn echo/1;",
            address = site.address,
            roots = files.path("ca.pem"),
            certificate = files.path("server.pem"),
            key = files.path("server.key"),
        );
        let (_nginx, address) = nginx(&files, "ssl", &server);
        talks_through(&site, address, &files);
    }
}
