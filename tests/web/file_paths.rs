//! Paths that name no file of the folder, in each spelling, and links that lead out of it.

use std::os::unix::fs::symlink;

use reactor_web::testing::TestClient;
use reactor_web::{App, Files};

use crate::support::{Folder, answer, client, text};

/// A site of `root` in the folder, beside which there is a secret.
fn site(folder: &Folder) -> TestClient {
    folder.write("secret", "secret");
    folder.write("root/file", "file");
    folder.write("root/sub/file", "sub");
    let root = folder.path().join("root");
    client(
        App::new()
            .mount("/at", Files::new(&root).listing(true))
            .mount("/", Files::new(&root).listing(true)),
    )
}

#[test]
fn no_spelling_of_a_path_leads_out_of_the_folder() {
    let folder = Folder::new("spellings");
    let site = site(&folder);
    let outs = [
        "..",
        "%2e%2e",
        ".%2e",
        "%2E.",
        "..%2f",
        "%2e%2e%2f",
        "..%5c",
        "..\\",
        "%2f..",
        "sub/..",
        "sub/../..",
        "sub%2f..%2f..",
        "sub/%2e%2e/%2e%2e",
        ".",
        "./..",
        "....//..",
        "..;",
        "%c0%ae%c0%ae",
        "%252e%252e",
        "..%00",
        "%00..",
        "sub\\..\\..",
        "",
    ];
    for prefix in ["/", "/at/", "//", "/./", "/at//"] {
        for out in outs {
            for end in [
                "/secret",
                "%2fsecret",
                "%5csecret",
                "//secret",
                "/sub/../../secret",
            ] {
                let peer = site.connect();
                peer.send(format!(
                    "GET {prefix}{out}{end} HTTP/1.1\r\nhost: x\r\n\r\n"
                ));
                let got = text(&peer);
                let (status, body) = answer(&got);
                assert!(!body.contains("secret"), "{prefix}{out}{end}: {got}");
                let is_refused = status.contains(" 404 ") || status.contains(" 400 ");
                assert!(is_refused, "{prefix}{out}{end}: {status}");
            }
        }
    }
    let absolute = folder.path().join("secret");
    for prefix in ["", "/", "/at/", "/at", "//"] {
        let path = format!("{prefix}{}", absolute.display());
        for path in [
            path.clone(),
            path.replace('/', "%2f"),
            path.replacen('/', "%2F", 2),
        ] {
            let path = if path.starts_with('/') {
                path
            } else {
                format!("/{path}")
            };
            assert_ne!(site.get(&path).text(), "secret", "{path}");
            assert_eq!(site.get(&path).status(), 404, "{path}");
        }
    }
}

#[test]
fn a_file_has_one_path_only() {
    let folder = Folder::new("one-path");
    let site = site(&folder);
    for path in ["/file", "/%66ile", "/at/sub/file", "/sub/%66%69le"] {
        assert_eq!(site.get(path).status(), 200, "{path}");
    }
    for path in [
        "/sub//file",
        "/sub/./file",
        "/./file",
        "/sub%2ffile",
        "/sub/../file",
        "/sub\\file",
        "/sub%5cfile",
        "/file%00",
        "/file%00.html",
        "/file/",
        "/file/x",
        "/sub/file/",
        "/FILE",
        "/file%20",
        "/file.",
    ] {
        assert_eq!(site.get(path).status(), 404, "{path}");
    }
    // A redirect of `//host/` would lead to another host.
    folder.write("root/example.org/file", "x");
    assert_eq!(site.get("/example.org").status(), 308);
    for path in [
        "//example.org",
        "/at//example.org",
        "/%2fexample.org",
        "/\\example.org",
    ] {
        assert_eq!(site.get(path).status(), 404, "{path}");
    }
}

#[test]
fn names_that_are_not_utf8_and_strange_ones_are_served() {
    let folder = Folder::new("names");
    let site = site(&folder);
    for (name, path) in [
        ("root/ö.txt", "/%C3%B6.txt"),
        ("root/a b?c#d.txt", "/a%20b%3Fc%23d.txt"),
        ("root/100%.txt", "/100%25.txt"),
        ("root/100%.txt", "/100%.txt"),
        ("root/new\nline", "/new%0Aline"),
    ] {
        folder.write(name, "strange");
        assert_eq!(site.get(path).text(), "strange", "{path}");
    }
    assert_eq!(site.get("/").status(), 200);
    let long = "x".repeat(300);
    assert_eq!(site.get(&format!("/{long}")).status(), 404);
    let deep = "x/".repeat(3000);
    assert_eq!(site.get(&format!("/{deep}")).status(), 404);
}

#[test]
fn links_are_followed_inside_of_the_folder_only() {
    let folder = Folder::new("links");
    let site = site(&folder);
    let root = folder.path().join("root");
    let link = |target: &str, name: &str| symlink(target, root.join(name)).expect("a link");
    link("file", "inside");
    link("../file", "sub/inside");
    link("sub", "folder");
    assert_eq!(site.get("/inside").text(), "file");
    assert_eq!(site.get("/sub/inside").text(), "file");
    assert_eq!(site.get("/folder/file").text(), "sub");
    assert_eq!(site.get("/folder").status(), 308);

    link("../secret", "out");
    link("../../secret", "sub/out");
    link("..", "up");
    link("/", "top");
    link("up/secret", "by-a-link");
    link("circle", "circle");
    link("nowhere", "broken");
    let secret = folder.path().join("secret");
    link(secret.to_str().expect("text"), "absolute");
    link("/proc/self/cwd", "magic");
    for path in [
        "/out",
        "/sub/out",
        "/up",
        "/up/",
        "/up/secret",
        "/top/etc/passwd",
        "/by-a-link",
        "/circle",
        "/broken",
        "/absolute",
        "/magic/",
        "/folder/out",
    ] {
        let answer = site.get(path);
        assert_eq!(answer.status(), 404, "{path}: {}", answer.text());
    }
    // The list says nothing of what links lead to.
    let list = site.get("/");
    assert!(list.text().contains("./out\">out</a>"), "{}", list.text());
}

#[test]
fn hidden_files_are_not_there_unless_they_are_asked_for() {
    let folder = Folder::new("hidden");
    let site = site(&folder);
    folder.write("root/.env", "password");
    folder.write("root/.git/config", "password");
    folder.write("root/.well-known/acme-challenge/token", "public");
    for path in [
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/sub/../.env",
        "/.git",
        "/.git/",
    ] {
        assert_eq!(site.get(path).status(), 404, "{path}");
    }
    assert_eq!(
        site.get("/.well-known/acme-challenge/token").text(),
        "public"
    );
    let root = folder.path().join("root");
    let shown = client(App::new().mount("/", Files::new(root).hidden(true).listing(true)));
    assert_eq!(shown.get("/.env").text(), "password");
    assert!(shown.get("/").text().contains("./.env"));
    assert_eq!(shown.get("/..%2fsecret").status(), 404);
    assert_eq!(shown.get("/../secret").status(), 404);
}

#[test]
fn what_is_no_file_is_not_opened_as_one() {
    let folder = Folder::new("special");
    let site = site(&folder);
    let root = folder.path().join("root");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let pipe = root.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe");
    let _socket = std::os::unix::net::UnixListener::bind(root.join("s")).expect("a socket");
    assert_eq!(site.get("/pipe").status(), 404);
    assert_eq!(site.get("/s").status(), 404);
}

#[test]
fn a_file_that_may_not_be_read_is_forbidden() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("forbidden");
    let site = site(&folder);
    let path = folder.write("root/private", "private");
    let mode = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(&path, mode).expect("it is ours");
    if std::fs::read(&path).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    assert_eq!(site.get("/private").status(), 403);
}
