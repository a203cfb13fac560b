//! Sessions: when they begin and end, what is kept, and where.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Failure, Trigger, succeed};
use http::Method;
use reactor::ReactorHandle;
use reactor_web::cookie::{Cookie, Key};
use reactor_web::sessions::{
    CookieStore, MemoryStore, SessionData, SessionStore, Sessions, encrypt_cookie, sign_cookie,
};
use reactor_web::testing::{TestAnswer, TestClient};
use reactor_web::{App, Body, Request};

use crate::support::client;

const MINUTE: Duration = Duration::from_secs(60);

fn login(req: &Request) -> deferred::Result<()> {
    let session = req.session()?;
    session.renew();
    session.insert("user", req.param("user")?)
}

fn site(sessions: Sessions) -> TestClient {
    let app = App::new()
        .get("/", |_| "public")
        .get("/user", |req| {
            let user: Option<String> = req.session()?.get("user")?;
            Ok(user.unwrap_or_else(|| "stranger".to_owned()))
        })
        .post("/login/{user}", |req| login(&req))
        .post("/logout", |req| {
            req.session()?.destroy();
            Ok("goodbye")
        })
        .post("/value", |req| req.session()?.insert("value", 7))
        .post("/forget", |req| {
            Ok(req.session()?.remove("value").to_string())
        })
        .post("/broken", |req| -> deferred::Result<()> {
            req.session()?.insert("value", 8)?;
            Err(Failure::msg("no"))
        })
        .wrap(sessions);
    client(app)
}

/// A browser: it keeps its cookie.
struct Browser<'a> {
    client: &'a TestClient,
    cookie: RefCell<Option<String>>,
}

impl<'a> Browser<'a> {
    fn new(client: &'a TestClient) -> Self {
        let cookie = RefCell::default();
        Self { client, cookie }
    }

    fn send(&self, method: Method, path: &str) -> TestAnswer {
        let cookie = self.cookie.borrow().clone().unwrap_or_default();
        let headers = [("cookie", &*cookie)];
        let answer = self.client.send(method, path, &headers, Body::empty());
        if let Some(set) = answer.header("set-cookie") {
            let pair = set.split(';').next().unwrap().to_owned();
            let is_removal = set.contains("Max-Age=0");
            self.cookie.replace((!is_removal).then_some(pair));
        }
        answer
    }

    fn get(&self, path: &str) -> String {
        self.send(Method::GET, path).text().to_owned()
    }

    fn post(&self, path: &str) -> TestAnswer {
        self.send(Method::POST, path)
    }

    fn cookie(&self) -> Option<String> {
        self.cookie.borrow().clone()
    }
}

#[test]
fn a_session_begins_with_its_first_value() {
    let store = Rc::new(MemoryStore::new());
    let client = site(Sessions::new(Rc::clone(&store)));
    let browser = Browser::new(&client);
    assert_eq!(browser.get("/"), "public");
    assert_eq!(browser.get("/user"), "stranger");
    assert_eq!(
        (browser.cookie(), store.len()),
        (None, 0),
        "nothing is to be kept"
    );
    let answer = browser.post("/value");
    let cookie = answer.header("set-cookie").unwrap();
    let (token, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(token.len(), "session=".len() + 64);
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Path=/");
    assert_eq!(answer.header("vary"), Some("cookie"), "a cache has to know");
    assert_eq!(store.len(), 1);
    assert_eq!(
        browser.post("/value").header("set-cookie"),
        None,
        "the browser has it"
    );
    assert_eq!(browser.post("/forget").text(), "true");
    assert_eq!(browser.post("/forget").text(), "false");
    assert_eq!(
        Browser::new(&client).post("/forget").text(),
        "false",
        "that of another browser"
    );
}

#[test]
fn a_login_changes_the_token_and_a_logout_ends_the_session() {
    let store = Rc::new(MemoryStore::new());
    let client = site(Sessions::new(Rc::clone(&store)));
    let browser = Browser::new(&client);
    browser.post("/value");
    let before = browser.cookie();
    browser.post("/login/ann");
    assert_eq!(browser.get("/user"), "ann");
    assert_ne!(browser.cookie(), before);
    assert_eq!(
        browser.post("/forget").text(),
        "true",
        "its values have come with it"
    );

    // One that knew the token before the login, as it has set it itself, knows nothing now.
    let thief = Browser::new(&client);
    thief.cookie.replace(before);
    assert_eq!(thief.get("/user"), "stranger");
    assert_eq!(store.len(), 1);

    let known = browser.cookie();
    let answer = browser.post("/logout");
    assert!(
        answer
            .header("set-cookie")
            .unwrap()
            .starts_with("session=; ")
    );
    assert_eq!((browser.cookie(), store.len()), (None, 0));
    thief.cookie.replace(known);
    assert_eq!(thief.get("/user"), "stranger");
}

#[test]
fn a_token_that_is_not_known_is_not_taken() {
    let client = site(Sessions::in_memory());
    let browser = Browser::new(&client);
    let chosen = "session=".to_owned() + &"0".repeat(64);
    browser.cookie.replace(Some(chosen.clone()));
    browser.post("/value");
    assert_ne!(browser.cookie(), Some(chosen));
}

#[test]
fn a_session_ends_when_it_is_not_used() {
    let store = Rc::new(MemoryStore::new());
    let client = site(Sessions::new(Rc::clone(&store)));
    let browser = Browser::new(&client);
    browser.post("/login/ann");
    for _ in 0..10 {
        client.advance(MINUTE * 26);
        assert_eq!(browser.get("/user"), "ann");
    }
    client.advance(MINUTE * 30);
    assert_eq!(browser.get("/user"), "stranger");
    assert_eq!(store.len(), 0, "and nothing is kept of it");
}

#[test]
fn a_session_ends_though_it_is_used() {
    let client = site(Sessions::in_memory());
    let browser = Browser::new(&client);
    browser.post("/value");
    client.advance(MINUTE * 20);
    browser.post("/login/ann");
    for _ in 0..(12 * 60 / 20 - 1) {
        client.advance(MINUTE * 20);
        assert_eq!(browser.get("/user"), "ann");
    }
    client.advance(MINUTE * 20);
    assert_eq!(browser.get("/user"), "stranger", "12 hours after the login");
}

#[test]
fn the_memory_is_bounded_and_the_one_goes_that_was_not_used_for_the_longest() {
    let store = Rc::new(MemoryStore::new().max_sessions(3));
    let client = site(Sessions::new(Rc::clone(&store)));
    let browsers: Vec<_> = (0..3).map(|_| Browser::new(&client)).collect();
    for browser in &browsers {
        client.advance(MINUTE);
        browser.post("/login/ann");
    }
    client.advance(MINUTE * 5);
    assert_eq!(browsers[0].get("/user"), "ann");
    for number in 0..100 {
        if number == 1 {
            client.advance(MINUTE);
        }
        Browser::new(&client).post("/value");
        assert_eq!(store.len(), 3);
        if number == 0 {
            assert_eq!(browsers[0].get("/user"), "ann");
            assert_eq!(browsers[1].get("/user"), "stranger");
            assert_eq!(browsers[2].get("/user"), "ann");
        }
    }
}

#[test]
fn a_request_that_was_under_way_does_not_bring_a_session_back() {
    let waiting: Rc<RefCell<Option<Trigger<()>>>> = Rc::default();
    let slot = Rc::clone(&waiting);
    let app = App::new()
        .post("/login/{user}", |req| login(&req))
        .get("/user", |req| {
            let user: Option<String> = req.session()?.get("user")?;
            Ok(user.unwrap_or_else(|| "stranger".to_owned()))
        })
        .post("/logout", |req| {
            req.session()?.destroy();
            Ok(())
        })
        .post("/slow", move |req| {
            let (trigger, done) = Deferred::pair();
            *slot.borrow_mut() = Some(trigger);
            done.add_callback(move |()| req.session()?.insert("value", 1))
        })
        .wrap(Sessions::in_memory());
    let client = client(app);
    let browser = Browser::new(&client);
    browser.post("/login/ann");
    let cookie = browser.cookie().unwrap();
    let slow = http::Request::post("/slow").header("cookie", &cookie);
    let slow = client.start(slow.body(Body::empty()).unwrap());
    browser.post("/logout");
    waiting.take().unwrap().callback(()).unwrap();
    assert_eq!(slow.answer().header("set-cookie"), None);
    browser.cookie.replace(Some(cookie));
    assert_eq!(browser.get("/user"), "stranger");
}

#[test]
fn what_a_failed_request_has_set_is_kept_and_a_value_has_its_type() {
    let client = site(Sessions::in_memory());
    let browser = Browser::new(&client);
    assert_eq!(browser.post("/broken").status(), 500);
    assert_eq!(browser.post("/forget").text(), "true");

    let app = App::new()
        .get("/", |req| {
            let session = req.session()?;
            session.insert("value", "text")?;
            let number = session.get::<u32>("value");
            assert!(number.unwrap_err().to_string().contains("`value`"));
            session.destroy();
            session.insert("after", 1)?;
            Ok(session.get::<String>("value")?.is_none().to_string())
        })
        .wrap(Sessions::in_memory());
    let answer = crate::support::client(app).get("/");
    assert_eq!(answer.text(), "true");
    assert!(
        answer.header("set-cookie").is_some(),
        "what comes after the end is another session"
    );
}

#[test]
fn without_the_middleware_there_is_none() {
    let client = client(App::new().get("/", |req| req.session().map(|_| ())));
    assert_eq!(client.get("/").status(), 500);
}

#[test]
fn settings_change_the_cookie() {
    let sessions = Sessions::in_memory()
        .cookie_name("__Host-id")
        .secure(true)
        .same_site(reactor_web::cookie::SameSite::Strict);
    let answer = site(sessions).post("/value", "");
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-id="), "{cookie}");
    assert!(
        cookie.ends_with("; HttpOnly; SameSite=Strict; Secure; Path=/"),
        "{cookie}"
    );
}

#[test]
fn a_cookie_may_be_the_store() {
    let key = Key::generate();
    for (store, is_private) in [
        (CookieStore::signed(key.clone()), false),
        (CookieStore::private(key), true),
    ] {
        let client = site(Sessions::new(store));
        let browser = Browser::new(&client);
        browser.post("/login/ann");
        assert_eq!(browser.get("/user"), "ann");
        let cookie = browser.cookie().unwrap();
        assert_eq!(cookie.contains("ann"), !is_private, "{cookie}");
        // Each change of it makes it none.
        for at in ["session=".len(), cookie.len() / 2, cookie.len() - 1] {
            let mut changed = cookie.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            browser
                .cookie
                .replace(Some(String::from_utf8(changed).unwrap()));
            assert_eq!(browser.get("/user"), "stranger", "{at}");
        }
        browser.cookie.replace(Some(cookie));
        client.advance(MINUTE * 29);
        assert_eq!(browser.get("/user"), "ann");
        client.advance(MINUTE * 29);
        assert_eq!(
            browser.get("/user"),
            "ann",
            "the cookie was renewed by its use"
        );
        client.advance(MINUTE * 30);
        assert_eq!(browser.get("/user"), "stranger");
        browser.post("/login/bob");
        browser.post("/logout");
        assert_eq!(browser.get("/user"), "stranger");
        // The other process has another key.
        browser.post("/login/bob");
        let other = site(Sessions::new(CookieStore::private(Key::generate())));
        let cookie = browser.cookie().unwrap();
        assert_eq!(
            other.get_with("/user", &[("cookie", &cookie)]).text(),
            "stranger"
        );
    }
}

#[test]
fn values_that_do_not_fit_into_a_cookie_are_a_failure() {
    let app = App::new()
        .get("/", |req| req.session()?.insert("value", "x".repeat(5000)))
        .wrap(Sessions::new(CookieStore::private(Key::generate())));
    let answer = client(app).get("/");
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.header("set-cookie"), None);
}

/// A store that answers when a test lets it.
#[derive(Default)]
struct Slow {
    memory: MemoryStore,
    waiting: RefCell<Vec<Trigger<()>>>,
}

impl Slow {
    fn wait(&self) -> Deferred<()> {
        let (trigger, done) = Deferred::pair();
        self.waiting.borrow_mut().push(trigger);
        done
    }
}

impl SessionStore for Slow {
    fn load(&self, reactor: &ReactorHandle, token: &str) -> Deferred<Option<SessionData>> {
        let loaded = self.memory.load(reactor, token);
        self.wait().add_callback(|()| loaded)
    }

    fn save(
        &self,
        reactor: &ReactorHandle,
        token: Option<&str>,
        data: &SessionData,
        lifetime: Duration,
    ) -> Deferred<Option<String>> {
        let saved = self.memory.save(reactor, token, data, lifetime);
        self.wait().add_callback(|()| saved)
    }

    fn remove(&self, _: &ReactorHandle, _: &str) -> Deferred<()> {
        succeed(())
    }
}

#[test]
fn a_store_may_take_its_time_and_may_fail() {
    let store = Rc::new(Slow::default());
    let client = site(Sessions::new(Rc::clone(&store)));
    let next = || {
        store
            .waiting
            .borrow_mut()
            .pop()
            .expect("the store was asked")
    };
    let start = |path: &str, cookie: &str| {
        let request = http::Request::post(path).header("cookie", cookie);
        client.start(request.body(Body::empty()).unwrap())
    };
    let login = start("/login/ann", "");
    assert!(login.is_pending(), "the answer waits until it is kept");
    next().callback(()).unwrap();
    let answer = login.answer();
    let cookie = answer
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap();

    let value = start("/value", cookie);
    next().callback(()).unwrap();
    assert!(value.is_pending());
    next().callback(()).unwrap();
    assert_eq!(value.answer().status(), 204);

    let broken = start("/value", cookie);
    next().errback(Failure::msg("no database")).unwrap();
    assert_eq!(broken.answer().status(), 500);
    let broken = start("/value", cookie);
    next().callback(()).unwrap();
    next().errback(Failure::msg("no database")).unwrap();
    assert_eq!(
        broken.answer().status(),
        500,
        "what is not kept is not told to be"
    );

    drop(start("/value", cookie));
    assert!(next().is_fired(), "it is cancelled with its client");
}

#[test]
fn cookies_of_handlers_may_be_signed_and_encrypted() {
    let key = Key::generate();
    let (signing, reading) = (key.clone(), key);
    let app = App::new()
        .get("/set", move |_| {
            let signed = sign_cookie(Cookie::new("signed", "a b;"), &signing);
            let private = encrypt_cookie(Cookie::new("private", "a b;"), &signing);
            (signed, (private, "set"))
        })
        .get("/get", move |req| {
            let signed = req.signed_cookie("signed", &reading).unwrap_or_default();
            let other = req.signed_cookie("other", &reading).unwrap_or_default();
            let private = req.private_cookie("private", &reading).unwrap_or_default();
            format!("<{signed}> <{private}> <{other}>")
        });
    let client = client(app);
    let answer = client.get("/set");
    let set = answer.headers().get_all("set-cookie").iter();
    let mut cookies: Vec<_> = set
        .map(|cookie| cookie.to_str().unwrap().to_owned())
        .collect();
    cookies.sort();
    let get = |cookies: &str| {
        client
            .get_with("/get", &[("cookie", cookies)])
            .text()
            .to_owned()
    };
    assert_eq!(get(&cookies.join("; ")), "<a b;> <a b;> <>");
    let moved = cookies[1].replacen("signed=", "other=", 1);
    assert_eq!(get(&moved), "<> <> <>", "a signature holds for one name");
    let moved = cookies[0].replacen("private=", "signed=", 1);
    assert_eq!(get(&moved), "<> <> <>");
    assert_eq!(get("signed=a; private=a"), "<> <> <>");
    assert_eq!(get("signed=%ff; private="), "<> <> <>");
}
