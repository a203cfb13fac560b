//! Resource trees: from the segments of a path to an object.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Failure, Trigger, defer_later};
use http::Method;
use reactor_web::testing::TestClient;
use reactor_web::{
    Answer, App, Body, Branch, Child, HttpError, Leaf, Redirect, Request, Resource, ResourceTree,
};

use crate::support::client;

/// A client of a tree at the root of an app.
fn tree(root: impl Resource) -> TestClient {
    client(App::new().mount("/", ResourceTree::new(root)))
}

/// Says which path it was reached by, and what is left of the path where it is asked for children.
struct Folder(String);

impl Resource for Folder {
    fn child(&self, name: &str, request: &Request) -> Child {
        match name {
            "nothing" | "" => Child::None,
            "panic" => panic!("in a child"),
            "rest" => {
                let rest = request.rest().to_owned();
                Leaf::new(move |_: Request| format!("then {rest}")).into()
            }
            name => Self(format!("{}[{name}]", self.0)).into(),
        }
    }

    fn render(&self, request: Request) -> Answer {
        Answer::now(format!("{} {}", request.method(), self.0))
    }
}

#[test]
fn a_tree_goes_down_by_the_segments_of_the_path() {
    let client = tree(Folder(String::new()));
    for (path, text) in [
        ("/", "GET "),
        ("/a", "GET [a]"),
        ("/a/b/c?query=/d", "GET [a][b][c]"),
        ("/a%20b/%C3%A4", "GET [a b][ä]"),
        // It is a slash in a name, and none between two.
        ("/a%2Fb", "GET [a/b]"),
        ("/a/", "GET [a]"),
        ("/a/rest/b/c/", "then /b/c/"),
    ] {
        assert_eq!(client.get(path).text(), text, "{path}");
    }
    for (path, status) in [
        ("/nothing", 404),
        ("/a/nothing/b", 404),
        ("/a//b", 404),
        ("/a/%ff", 400),
        ("/a/panic", 500),
    ] {
        assert_eq!(client.get(path).status(), status, "{path}");
    }
    let posted = client.send(Method::POST, "/a", &[], Body::empty());
    assert_eq!(posted.text(), "POST [a]");
}

#[test]
fn a_tree_is_mounted_below_a_path_and_for_a_host() {
    let folder = || ResourceTree::new(Folder(String::new()));
    let app = App::new()
        .mount("/below/{id}", folder())
        .host("tree.example.org", folder())
        .get("/", |_| "the app");
    let client = client(app);
    for (path, text) in [
        ("/", "the app"),
        ("/below/7", "GET "),
        ("/below/7/", "GET "),
        ("/below/7/a/b", "GET [a][b]"),
        ("http://tree.example.org/", "GET "),
        ("http://tree.example.org/a/b", "GET [a][b]"),
    ] {
        assert_eq!(client.get(path).text(), text, "{path}");
    }
    assert_eq!(client.get("/a").status(), 404);
}

#[test]
fn a_leaf_gets_all_that_is_below_it() {
    let root = Branch::new();
    root.put_child(
        "echo",
        Leaf::new(|req: Request| format!("<{}>", req.rest())),
    );
    let notes = App::new()
        .get("/", |_| "all notes")
        .get("/{id}", |req| Ok(format!("note {}", req.param("id")?)));
    root.put_child("notes", Leaf::new(notes));
    let client = tree(root);
    for (path, text) in [
        ("/echo", "<>"),
        ("/echo/", "</>"),
        ("/echo/a%20b/c", "</a%20b/c>"),
        ("/notes", "all notes"),
        ("/notes/7", "note 7"),
    ] {
        assert_eq!(client.get(path).text(), text, "{path}");
    }
    assert_eq!(
        client
            .send(Method::PUT, "/notes/7", &[], Body::empty())
            .status(),
        405
    );
}

#[test]
fn a_trailing_slash_is_a_child_without_a_name_if_there_is_one() {
    let root = Branch::new().with_index(|_: Request| "itself");
    let folder = Branch::new().with_index(|_: Request| "the folder");
    folder.put_child("", Leaf::new(|_: Request| "what is in it"));
    root.put_child("folder", folder);
    let client = tree(root);
    for (path, text) in [
        ("/", "itself"),
        ("/folder", "the folder"),
        ("/folder/", "what is in it"),
    ] {
        assert_eq!(client.get(path).text(), text, "{path}");
    }
}

#[test]
fn children_come_and_go_while_a_branch_is_served() {
    let root = Branch::new();
    let client = tree(root.clone());
    assert_eq!(client.get("/").status(), 404, "there is no index");
    assert_eq!(client.get("/page").status(), 404);
    root.put_child("page", Leaf::new(App::new().get("/", |_| "one")));
    assert_eq!(client.get("/page").text(), "one");
    root.put_child("page", Rc::new(Leaf::new(|_: Request| "two")));
    assert_eq!(client.get("/page").text(), "two");
    assert!(format!("{root:?}").contains("page"), "{root:?}");
    assert!(root.remove_child("page") && !root.remove_child("page"));
    assert_eq!(client.get("/page").status(), 404);
}

/// Puts a child when it is dropped.
struct PutsAtDrop(Branch);

impl Resource for PutsAtDrop {
    fn render(&self, _request: Request) -> Answer {
        Answer::now("to be replaced")
    }
}

impl Drop for PutsAtDrop {
    fn drop(&mut self) {
        self.0.put_child("after", Redirect::see_other("/"));
    }
}

#[test]
fn a_child_that_is_replaced_may_put_others() {
    let root = Branch::new();
    let client = tree(root.clone());
    root.put_child("before", PutsAtDrop(root.clone()));
    assert_eq!(client.get("/before").text(), "to be replaced");
    root.put_child("before", Leaf::new(|_: Request| "replaced"));
    assert_eq!(client.get("/before").text(), "replaced");
    let redirect = client.get("/after/and/below");
    assert_eq!(
        (redirect.status().as_u16(), redirect.header("location")),
        (303, Some("/"))
    );
}

/// Looks its children up, which takes a second for each letter of their names.
struct Slow;

impl Resource for Slow {
    fn child(&self, name: &str, request: &Request) -> Child {
        let delay = Duration::from_secs(name.len() as u64);
        let name = name.to_owned();
        let looking_up = defer_later(request.reactor(), delay, move || match &*name {
            "none" | "" => Ok(Child::None),
            "again" => Ok(Child::from(deferred::succeed(Child::from(Self)))),
            "refused" => Err(HttpError::forbidden().into()),
            "broken" => Err(Failure::msg("there is no database")),
            _ => Ok(Child::from(Self)),
        });
        looking_up.into()
    }

    fn render(&self, request: Request) -> Answer {
        Answer::now(format!("slow, at {}", request.path()))
    }
}

#[test]
fn a_child_may_come_later() {
    let client = tree(Slow);
    for (path, seconds, status) in [
        ("/", 0, 200),
        ("/a/bc", 3, 200),
        ("/again/a/", 6, 200),
        ("/none", 4, 404),
        ("/a/none/b", 5, 404),
        ("/refused", 7, 403),
        ("/broken", 6, 500),
    ] {
        let answer = client.start_get(path);
        if seconds > 0 {
            client.advance(Duration::from_millis(seconds * 1000 - 1));
            assert!(answer.is_pending(), "{path}");
            client.advance(Duration::from_millis(1));
        }
        let answer = answer.answer();
        assert_eq!(answer.status(), status, "{path}");
        if status == 200 {
            assert_eq!(answer.text(), format!("slow, at {path}"));
        }
    }
}

/// Has children of any name to any depth, which come with a Deferred after `delay` or at once.
#[derive(Clone, Copy)]
struct Deep(Option<Duration>);

impl Resource for Deep {
    fn child(&self, _name: &str, request: &Request) -> Child {
        let this = *self;
        let found = match this.0 {
            None => deferred::succeed(Child::from(this)),
            Some(delay) => defer_later(request.reactor(), delay, move || Ok(Child::from(this))),
        };
        found.into()
    }

    fn render(&self, request: Request) -> Answer {
        Answer::now(format!("{}", request.path().len()))
    }
}

#[test]
fn a_long_path_of_children_that_come_later_takes_no_stack() {
    let path = "/a".repeat(30_000);
    for (root, seconds) in [(Deep(None), 0), (Deep(Some(Duration::from_micros(1))), 1)] {
        let client = tree(root);
        let answer = client.start_get(&path);
        client.advance(Duration::from_secs(seconds));
        assert_eq!(answer.answer().text(), "60000");
    }
}

/// Its children never come.
struct Never(Rc<RefCell<Option<Trigger<Child>>>>);

impl Resource for Never {
    fn child(&self, _name: &str, _request: &Request) -> Child {
        let (trigger, later) = Deferred::pair();
        self.0.replace(Some(trigger));
        later.into()
    }

    fn render(&self, _request: Request) -> Answer {
        Answer::now("never")
    }
}

#[test]
fn looking_for_a_child_is_cancelled_when_the_client_goes() {
    let slot = Rc::default();
    let client = tree(Never(Rc::clone(&slot)));
    let pending = client.start_get("/child");
    assert!(pending.is_pending());
    let trigger = slot.take().expect("it was asked for a child");
    assert!(!trigger.is_fired());
    drop(pending);
    assert!(trigger.is_fired());
}

#[test]
fn what_cannot_be_served_is_an_error_at_the_start() {
    let wrong = || Leaf::new(App::new().get("no slash", |_| ""));
    let root = Branch::new();
    root.put_child("wrong", wrong());
    let app = App::new().mount("/", ResourceTree::new(root));
    assert!(app.into_site().is_err());

    // Put after the start, only itself fails.
    let root = Branch::new();
    let client = tree(root.clone());
    root.put_child("wrong", wrong());
    root.put_child("right", Leaf::new(|_: Request| "right"));
    assert_eq!(client.get("/wrong").status(), 500);
    assert_eq!(client.get("/wrong").status(), 500, "it stays so");
    assert_eq!(client.get("/right").text(), "right");
}

#[test]
fn a_resource_is_prepared_once_for_each_place() {
    struct Counts(Rc<Cell<u32>>);

    impl Resource for Counts {
        fn render(&self, _request: Request) -> Answer {
            Answer::now(())
        }

        fn prepare(&self) -> deferred::Result<()> {
            self.0.set(self.0.get() + 1);
            Ok(())
        }
    }

    let count = Rc::new(Cell::new(0));
    let counts = Rc::new(Counts(Rc::clone(&count)));
    let root = Branch::new();
    root.put_child("a", Rc::clone(&counts));
    root.put_child("b", counts);
    let client = tree(root);
    assert_eq!(count.get(), 2);
    assert_eq!(client.get("/a").status(), 204);
    assert_eq!(count.get(), 2);
}

/// Twisted's `root.putChild(b"", root)`.
#[test]
fn a_branch_may_be_below_itself() {
    let root = Branch::new().with_index(|_: Request| "the front page");
    root.put_child("", root.clone());
    root.put_child("again", root.clone());
    let client = tree(root.clone());
    assert_eq!(client.get("/").text(), "the front page");
    assert_eq!(client.get("/again/again/").text(), "the front page");
    // Else it would keep itself alive.
    assert!(root.remove_child("") && root.remove_child("again"));
}
