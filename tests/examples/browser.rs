//! A browser without a window, driven by the protocol of its developer tools: it loads pages, and its mouse
//! and keys are those of a person.
//!
//! `BROWSER_SCREENSHOTS` names a folder for pictures of the pages.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use deferred::DeferredQueue;
use reactor::Reactor;
use reactor_web::ws::{WebSocket, WebSocketClient, WebSocketOptions, WebSocketProtocol};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tests::{Directory, is_there};

use crate::program::PATIENCE;

const NAME: &str = "chromium-headless-shell";

/// A browser that runs. Killed when dropped.
pub(crate) struct Browser {
    child: Child,
    reactor: Reactor,
    tools: WebSocket,
    messages: DeferredQueue<String>,
    /// Of the last command.
    number: u64,
    _profile: Directory,
}

/// A tab, by the name of its session.
pub(crate) struct Page(String);

/// Puts what it gets into a queue.
struct Messages(DeferredQueue<String>);

impl WebSocketProtocol for Messages {
    fn on_text(&mut self, _: &WebSocket, text: &str) -> deferred::Result<()> {
        Ok(self.0.put(text.to_owned())?)
    }
}

impl Browser {
    /// Starts one, if it is installed.
    pub(crate) fn start() -> Option<Self> {
        if !is_there(NAME) {
            return None;
        }
        let profile = Directory::new("browser");
        let mut child = Command::new(NAME)
            // The sandbox needs more rights than a container has.
            .args(["--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--ignore-certificate-errors", "--window-size=900,700"])
            // It finds no host but that of the tests.
            .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            // Of its own, to be ended as one.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let url = lines.by_ref().find_map(|line| {
            let line = line.expect("text");
            Some(line.strip_prefix("DevTools listening on ")?.to_owned())
        });
        let url = url.expect("it says where its tools are");
        // What it says later is read, so that it can go on.
        thread::spawn(move || lines.for_each(drop));
        let reactor = Reactor::new().expect("a reactor");
        let messages = DeferredQueue::new();
        // Pictures are long.
        let options = WebSocketOptions::default()
            .with_max_frame(64 * 1024 * 1024)
            .with_max_message(64 * 1024 * 1024);
        let client = WebSocketClient::new(&url).expect("a URL");
        let opening = client
            .with_options(options)
            .connect(&reactor, Messages(messages.clone()));
        let tools = reactor.block_on(opening).expect("it opens");
        Some(Self {
            child,
            reactor,
            tools,
            messages,
            number: 0,
            _profile: profile,
        })
    }

    /// Sends a command to the browser, or to a tab; gives its result, or what is wrong.
    fn try_call(
        &mut self,
        page: Option<&Page>,
        method: &str,
        params: &Value,
    ) -> Result<Value, String> {
        self.number += 1;
        let mut command = json!({"id": self.number, "method": method, "params": params});
        if let Some(Page(session)) = page {
            command["sessionId"] = json!(session);
        }
        self.tools
            .send_text(command.to_string())
            .expect("it is open");
        loop {
            let message = self
                .messages
                .get()
                .expect("no limit")
                .add_timeout(PATIENCE, &*self.reactor);
            let message = self.reactor.block_on(message).expect(method);
            let mut message: Value = serde_json::from_str(&message).expect("JSON");
            // All else is events, or late.
            if message["id"] == self.number {
                return match message.get("error") {
                    Some(error) => Err(error.to_string()),
                    None => Ok(message["result"].take()),
                };
            }
        }
    }

    #[track_caller]
    fn call(&mut self, page: Option<&Page>, method: &str, params: &Value) -> Value {
        let result = self.try_call(page, method, params);
        result.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Opens a tab.
    pub(crate) fn open(&mut self, url: &str) -> Page {
        let made = self.call(None, "Target.createTarget", &json!({"url": "about:blank"}));
        let target = json!({"targetId": made["targetId"], "flatten": true});
        let attached = self.call(None, "Target.attachToTarget", &target);
        let page = Page(attached["sessionId"].as_str().expect("a name").to_owned());
        // Each of several tabs is in front.
        let focused = json!({"enabled": true});
        self.call(Some(&page), "Emulation.setFocusEmulationEnabled", &focused);
        self.go(&page, url);
        page
    }

    /// Goes to another page, and waits until it is loaded.
    pub(crate) fn go(&mut self, page: &Page, url: &str) {
        let went = self.call(Some(page), "Page.navigate", &json!({"url": url}));
        assert_eq!(went.get("errorText"), None, "{url}");
        self.wait(page, "document.readyState === 'complete'");
    }

    /// The value of an expression of JavaScript; a promise is waited for.
    #[track_caller]
    pub(crate) fn value(&mut self, page: &Page, expression: &str) -> Value {
        let found = self.try_value(page, expression);
        found.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_value(&mut self, page: &Page, expression: &str) -> Result<Value, String> {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
        });
        let mut found = self.try_call(Some(page), "Runtime.evaluate", &params)?;
        match found.get("exceptionDetails") {
            Some(exception) => Err(exception.to_string()),
            None => Ok(found["result"]["value"].take()),
        }
    }

    /// Waits until a condition is true, also on the page that comes next.
    #[track_caller]
    pub(crate) fn wait(&mut self, page: &Page, condition: &str) {
        let start = Instant::now();
        // An error if one page has gone, and the other one is not there.
        while self.try_value(page, condition) != Ok(Value::Bool(true)) {
            if start.elapsed() > PATIENCE {
                let text = self.text(page);
                panic!("it never came: {condition}; {text}");
            }
        }
    }

    /// What a person reads on the page.
    #[track_caller]
    pub(crate) fn text(&mut self, page: &Page) -> String {
        let text = self.value(page, "document.body.innerText");
        text.as_str().expect("text").to_owned()
    }

    /// Clicks on an element, at a part of its width.
    #[track_caller]
    pub(crate) fn click_at(&mut self, page: &Page, selector: &str, part: f64) {
        let place = format!(
            "{{ const it = document.querySelector({selector:?}); it.scrollIntoView();
                const box = it.getBoundingClientRect();
                [box.left + box.width * {part}, box.top + box.height / 2] }}"
        );
        let place = self.value(page, &place);
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1,
            });
            self.call(Some(page), "Input.dispatchMouseEvent", &event);
        }
    }

    #[track_caller]
    pub(crate) fn click(&mut self, page: &Page, selector: &str) {
        self.click_at(page, selector, 0.5);
    }

    /// Clicks into a field, and types.
    #[track_caller]
    pub(crate) fn type_into(&mut self, page: &Page, selector: &str, text: &str) {
        self.click(page, selector);
        self.call(Some(page), "Input.insertText", &json!({"text": text}));
    }

    /// Presses the enter key.
    pub(crate) fn enter(&mut self, page: &Page) {
        for kind in ["keyDown", "keyUp"] {
            let event = json!({
                "type": kind, "key": "Enter", "code": "Enter", "text": "\r",
                "windowsVirtualKeyCode": 13,
            });
            self.call(Some(page), "Input.dispatchKeyEvent", &event);
        }
    }

    /// Chooses files in a field.
    pub(crate) fn choose(&mut self, page: &Page, selector: &str, files: &[&str]) {
        let document = self.call(Some(page), "DOM.getDocument", &json!({}));
        let query = json!({"nodeId": document["root"]["nodeId"], "selector": selector});
        let mut chosen = self.call(Some(page), "DOM.querySelector", &query);
        chosen["files"] = json!(files);
        self.call(Some(page), "DOM.setFileInputFiles", &chosen);
    }

    /// Makes a picture for a person, if a folder for it is given.
    pub(crate) fn picture(&mut self, page: &Page, name: &str) {
        let Ok(folder) = std::env::var("BROWSER_SCREENSHOTS") else {
            return;
        };
        let picture = self.call(Some(page), "Page.captureScreenshot", &json!({}));
        let picture = BASE64_STANDARD.decode(picture["data"].as_str().expect("text"));
        let path = format!("{folder}/{name}.png");
        fs::write(path, picture.expect("base64")).expect("a file");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The program is a shell script on some systems: the signal goes to all that it has started. Both
        // err only if it has ended already.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}
