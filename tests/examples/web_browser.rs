//! The examples with pages, used as by a person: forms, a login, a chat, a live chart, files. Without
//! Chromium, they are skipped.

use std::fs;

use rustix::process::Signal;
use serde_json::json;
use tests::{Directory, free_port};

use crate::browser::{Browser, Page};
use crate::program::Program;

fn stop(server: Program) {
    server.send(Signal::TERM);
    server.end().succeeded();
}

#[test]
fn a_form_sends_what_was_typed_and_chosen() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (server, address) = Program::serve("web_form");
    let page = browser.open(&format!("http://{address}/"));
    browser.type_into(&page, "input[name=name]", "Jürgen <b>");
    let files = Directory::new("browser-form");
    let paths = ["bild.png", "empty.txt"].map(|name| files.path(name));
    fs::write(&paths[0], vec![b'x'; 3_000_000]).expect("a file");
    fs::write(&paths[1], "").expect("a file");
    browser.choose(&page, "input[type=file]", &[&paths[0], &paths[1]]);
    browser.picture(&page, "form");
    browser.click(&page, "button");
    browser.wait(&page, "document.body.innerText.includes('empty.txt')");
    let expected = "name: Jürgen <b>\npicture: bild.png, 3000000 bytes\n\
        picture: empty.txt, 0 bytes";
    assert_eq!(browser.text(&page).trim(), expected);
    browser.picture(&page, "form-sent");
    stop(server);
}

#[test]
fn a_user_logs_in_and_out() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (server, address) = Program::serve("web_login");
    let url = format!("http://{address}/");
    let page = browser.open(&url);
    let log_in = |browser: &mut Browser, password: &str| {
        browser.type_into(&page, "input[name=user]", "ann");
        browser.type_into(&page, "input[name=password]", password);
        browser.enter(&page);
    };
    log_in(&mut browser, "guess");
    browser.wait(&page, "document.body.innerText.includes('403')");
    browser.go(&page, &url);
    log_in(&mut browser, "secret");
    browser.wait(&page, "document.body.innerText.includes('hello, ann')");
    // The session is in a cookie that no script sees, and is there in another tab.
    assert_eq!(browser.value(&page, "document.cookie"), "");
    let other = browser.open(&url);
    assert!(browser.text(&other).contains("hello, ann"));
    browser.picture(&page, "login");
    browser.click(&page, "button");
    browser.wait(
        &page,
        "document.querySelector('input[name=password]') !== null",
    );
    browser.go(&other, &url);
    assert!(!browser.text(&other).contains("hello, ann"));
    stop(server);
}

#[test]
fn two_persons_talk_and_go_on_after_a_restart() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let listen = format!("127.0.0.1:{}", free_port());
    let start = || {
        let mut server = Program::start("web_chat", &["--listen", &listen]);
        server.prints(&format!("listening on {listen}"));
        server
    };
    let server = start();
    let enter = |browser: &mut Browser, name: &str| {
        let page = browser.open(&format!("http://{listen}/"));
        browser.type_into(&page, "#name", name);
        browser.enter(&page);
        let state =
            format!("document.querySelector('#state').innerText === 'You are {name}, in lobby.'");
        browser.wait(&page, &state);
        page
    };
    let (ann, bob) = (enter(&mut browser, "Ann"), enter(&mut browser, "Bob"));
    let say = |browser: &mut Browser, page: &Page, text: &str| {
        browser.type_into(page, "#text", text);
        browser.enter(page);
    };
    let sees = |browser: &mut Browser, page: &Page, line: &str| {
        let lines = "[...document.querySelectorAll('#lines p')]";
        browser.wait(
            page,
            &format!("{lines}.some(it => it.innerText === {line:?})"),
        );
    };
    sees(&mut browser, &ann, "* Bob has come");
    say(&mut browser, &ann, "<img src=x onerror=alert(1)> hällo");
    sees(
        &mut browser,
        &bob,
        "Ann: <img src=x onerror=alert(1)> hällo",
    );
    say(&mut browser, &bob, "hello, Ann");
    sees(&mut browser, &ann, "Bob: hello, Ann");
    browser.picture(&ann, "chat");
    stop(server);
    let is_cut_off = "document.querySelector('#state').innerText.startsWith('Not connected')";
    browser.wait(&ann, is_cut_off);
    browser.picture(&ann, "chat-stopped");
    let server = start();
    for (page, name) in [(&ann, "Ann"), (&bob, "Bob")] {
        let state =
            format!("document.querySelector('#state').innerText.startsWith('You are {name}')");
        browser.wait(page, &state);
    }
    say(&mut browser, &bob, "here again");
    sees(&mut browser, &ann, "Bob: here again");
    stop(server);
}

#[test]
fn a_chart_is_live_in_two_tabs_and_after_a_restart() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let listen = format!("127.0.0.1:{}", free_port());
    let start = || {
        let mut server = Program::start("web_events", &["--listen", &listen]);
        server.prints(&format!("listening on {listen}"));
        server
    };
    let server = start();
    let pages = [(); 2].map(|()| browser.open(&format!("http://{listen}/")));
    let is_drawn = "document.querySelector('#temperature').points.length > 2";
    for page in &pages {
        browser.wait(page, is_drawn);
    }
    // At a fifth of the slider: about 10 of 5 to 30 degrees.
    browser.click_at(&pages[0], "#slider", 0.2);
    for page in &pages {
        let aim = "document.querySelector('#aim').innerText";
        browser.wait(page, &format!("Math.abs({aim} - 10) <= 1"));
    }
    browser.picture(&pages[0], "chart");
    stop(server);
    let state = "document.querySelector('#state').innerText";
    for page in &pages {
        browser.wait(page, &format!("{state} === 'connecting again'"));
    }
    let server = start();
    for page in &pages {
        browser.wait(page, &format!("{state} === 'live'"));
    }
    stop(server);
}

#[test]
fn files_are_found_by_their_lists_and_read_in_parts() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let files = Directory::new("browser-files");
    fs::create_dir(files.join("sub")).expect("a folder");
    let picture = "<svg xmlns='http://www.w3.org/2000/svg' width='30' height='20'/>";
    for (name, text) in [
        ("sub/<i>ü & #1.txt", "found"),
        ("sub/picture.svg", picture),
        ("page.html", "<!doctype html><img src=sub/picture.svg>"),
    ] {
        fs::write(files.join(name), text).expect("a file");
    }
    let folder = files.to_str().expect("text");
    let (server, address) = Program::serve_with("web_static_site", &["--folder", folder]);
    let page = browser.open(&format!("http://{address}/"));
    browser.click(&page, "a[href='sub/'], a[href='./sub/']");
    browser.wait(
        &page,
        "location.pathname === '/sub/' && document.readyState === 'complete'",
    );
    assert!(browser.text(&page).contains("<i>ü & #1.txt"));
    browser.picture(&page, "files");
    browser.value(
        &page,
        "{ document.querySelector('a[href*=txt]').id = 'found'; 0 }",
    );
    browser.click(&page, "#found");
    browser.wait(&page, "document.body.innerText.trim() === 'found'");
    browser.go(&page, &format!("http://{address}/page.html"));
    assert_eq!(browser.value(&page, "document.images[0].naturalWidth"), 30);
    let part = "fetch('/sub/picture.svg', {headers: {range: 'bytes=1-3'}})
        .then(async it => [it.status, await it.text()])";
    assert_eq!(browser.value(&page, part), json!([206, "svg"]));
    stop(server);
}
