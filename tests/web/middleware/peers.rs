//! Programs of other projects, against the middleware: curl, and `requests` and httpx of
//! Python, and GoAccess for the log. One that is not installed is skipped, by name.

use std::cell::RefCell;
use std::process::Command as Probe;
use std::rc::Rc;
use std::time::Duration;

use reactor::{Command, Reactor};
use reactor_web::App;
use reactor_web::http::{Method, header};
use reactor_web::middleware::{AccessLog, BasicAuth, Cors, DigestAuth, DigestSecret};
use reactor_web::serve;
use reactor_web::sessions::{Csrf, Sessions};

/// Whether `program` runs with `args`; says that it is skipped if not.
fn has(program: &str, args: &[&str]) -> bool {
    let has = Probe::new(program)
        .args(args)
        .output()
        .is_ok_and(|output| output.status.success());
    if !has {
        tests::skip(format_args!("no {program} {args:?}"));
    }
    has
}

/// Serves `app` while `program` runs with `args`, in which `URL` is that of the app. Gives what it
/// prints.
#[track_caller]
fn talk(app: App, program: &str, args: &[&str]) -> String {
    let reactor = Reactor::new().expect("a reactor");
    let listening = serve(&reactor, "tcp:0:interface=127.0.0.1", app);
    let port = reactor.block_on(listening).expect("a port");
    let url = format!("http://{}", port.address());
    let args = args.iter().map(|arg| arg.replace("URL", &url));
    let running = Command::new(program)
        .args(args)
        .timeout(Duration::from_secs(60))
        .output(&reactor);
    let output = reactor.block_on(running).expect("it runs");
    let (text, errors) = (
        output.stdout,
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{program}: {errors}");
    String::from_utf8(text).expect("text")
}

fn private() -> App {
    App::new().get("/", |req| {
        format!("hello, {}\n", req.user().unwrap_or("stranger"))
    })
}

fn digest() -> App {
    private().wrap(ann())
}

fn ann() -> DigestAuth {
    DigestAuth::new("vault", |user| {
        Ok((user == "ann").then(|| DigestSecret::password("secret")))
    })
}

#[test]
fn curl_knows_basic_and_digest() {
    if !has("curl", &["--version"]) {
        return;
    }
    let basic = || {
        private().wrap(BasicAuth::new("vault", |login| {
            Ok(login.matches("ann", "secret"))
        }))
    };
    let args = ["-sS", "-u", "ann:secret", "URL/"];
    assert_eq!(talk(basic(), "curl", &args), "hello, ann\n");
    let code = [
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-u",
        "ann:wrong",
        "URL/",
    ];
    assert_eq!(talk(basic(), "curl", &code), "401");

    // Twice, with the numbers 1 and 2 of a nonce.
    let args = ["-sS", "--digest", "-u", "ann:secret", "URL/", "URL/"];
    assert_eq!(talk(digest(), "curl", &args), "hello, ann\nhello, ann\n");
    let code = [&["--digest"], &code[..]].concat();
    assert_eq!(talk(digest(), "curl", &code), "401");
}

#[test]
fn curl_sees_the_headers_of_cors() {
    if !has("curl", &["--version"]) {
        return;
    }
    let cors = Cors::origins(["https://a.example"])
        .methods([Method::PUT])
        .headers([header::CONTENT_TYPE]);
    let app = App::new().put("/", |_| "stored").wrap(cors);
    let args = [
        "-sSi",
        "-X",
        "OPTIONS",
        "-H",
        "Origin: https://a.example",
        "-H",
        "Access-Control-Request-Method: PUT",
        "URL/",
    ];
    let answer = talk(app, "curl", &args).to_lowercase();
    for line in [
        "http/1.1 204 no content\r\n",
        "access-control-allow-origin: https://a.example\r\n",
        "access-control-allow-methods: put\r\n",
        "access-control-allow-headers: content-type\r\n",
    ] {
        assert!(answer.contains(line), "{line} in {answer}");
    }
}

/// A session of two requests, with digest and a form.
const PYTHON: &str = r#"
import sys
import MODULE as http
url = sys.argv[1]
auth = AUTH("ann", "secret")
with http.CLIENT() as client:
    for _ in range(3):
        answer = client.get(url, auth=auth)
        assert (answer.status_code, answer.text) == (200, "hello, ann\n"), answer.text
    wrong = client.get(url, auth=AUTH("ann", "guess"))
    assert wrong.status_code == 401, wrong
print("done")
"#;

const FORM: &str = r#"
import sys
import MODULE as http
url = sys.argv[1]
with http.CLIENT() as client:
    assert client.post(url).status_code == 403
    token = client.get(url).text
    assert client.cookies["session"]
    assert client.post(url, data={"csrf_token": token}).text == "1"
    assert client.post(url, headers={"x-csrf-token": token}).text == "2"
    files = [("csrf_token", (None, token)), ("file", ("name", b"x" * 100000))]
    assert client.post(url, files=files).text == "3"
    assert client.post(url, data={"csrf_token": "guess"}).status_code == 403
print("done")
"#;

fn python(text: &str, module: &str, client: &str, auth: &str, app: App) {
    if !has("python3", &["-c", &format!("import {module}")]) {
        return;
    }
    let text = text
        .replace("MODULE", module)
        .replace("CLIENT", client)
        .replace("AUTH", auth);
    assert_eq!(talk(app, "python3", &["-c", &text, "URL/"]), "done\n");
}

fn forms() -> App {
    App::new()
        .get("/", |req| req.csrf_token())
        .post("/", |req| {
            let session = req.session()?;
            let count = session.get("count")?.unwrap_or(0) + 1;
            session.insert("count", count)?;
            Ok(count.to_string())
        })
        .wrap(Csrf::new())
        .wrap(Sessions::in_memory())
}

#[test]
fn requests_of_python_knows_digest_cookies_and_forms() {
    python(
        PYTHON,
        "requests",
        "Session",
        "http.auth.HTTPDigestAuth",
        digest(),
    );
    python(
        PYTHON,
        "requests",
        "Session",
        "http.auth.HTTPDigestAuth",
        private().wrap(ann().md5()),
    );
    python(FORM, "requests", "Session", "", forms());
}

#[test]
fn httpx_of_python_knows_digest_cookies_and_forms() {
    python(PYTHON, "httpx", "Client", "http.DigestAuth", digest());
    python(FORM, "httpx", "Client", "", forms());
}

#[test]
fn goaccess_reads_the_combined_log() {
    if !has("goaccess", &["--version"]) || !has("curl", &["--version"]) {
        return;
    }
    let lines: Rc<RefCell<String>> = Rc::default();
    let log = Rc::clone(&lines);
    let combined = AccessLog::combined().sink(move |line| {
        log.borrow_mut().push_str(line);
        log.borrow_mut().push('\n');
    });
    let app = App::new()
        .get("/a", |_| "hello")
        .wrap(|mut req: reactor_web::Request, next: reactor_web::Next| {
            req.set_user("ann \"the first\"");
            next.run(req)
        })
        .wrap(combined);
    let agent = "x\" 200 1 \"y \\";
    let urls = ["-sS", "-A", agent, "URL/a", "URL/a?b=%22", "URL/nowhere"];
    talk(app, "curl", &urls);

    let folder = std::env::temp_dir().join(format!("reactor-web-log-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (file, report) = (folder.join("access.log"), folder.join("report.json"));
    std::fs::write(&file, &*lines.borrow()).expect("a file");
    let output = Probe::new("goaccess")
        .args(["--log-format=COMBINED", "--no-global-config", "-o"])
        .arg(&report)
        .arg(&file)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}\n{}", lines.borrow());
    let report = std::fs::read(&report).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    std::fs::remove_dir_all(&folder).expect("it was made above");
    let general = &report["general"];
    assert_eq!(general["total_requests"], 3, "{}", lines.borrow());
    assert_eq!(general["failed_requests"], 0, "{}", lines.borrow());
}
