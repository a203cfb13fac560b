//! The IMAP server: STARTTLS.

use reactor_mail::ImapServer;

use crate::imap_support::Mail;
use crate::starttls::{self, Dialect};

const IMAP: Dialect = Dialect {
    tag: "x ",
    go_ahead: "x OK go ahead",
    goes_on: |line, count| line.starts_with("* ") && count > 1,
};

fn talk(mail: &Mail, lines: &[&'static str], injected: &'static str) -> Vec<String> {
    let server = ImapServer::new("mail.example.org", mail.clone());
    starttls::talk(IMAP, |tls| server.with_tls(tls).session(), lines, injected)
}

#[test]
fn a_login_is_possible_after_starttls() {
    let lines = [
        "LOGIN bob sesame",
        "STARTTLS",
        "CAPABILITY",
        "STARTTLS",
        "LOGIN bob sesame",
    ];
    let answers = talk(&Mail::new(), &lines, "");
    let [greeting, refused, go, capability, _, again, welcome] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert!(greeting.contains(" STARTTLS LOGINDISABLED]"), "{greeting}");
    assert_eq!(refused, "x NO [PRIVACYREQUIRED] only with encryption");
    assert_eq!(go, "x OK go ahead");
    assert!(capability.ends_with(" AUTH=PLAIN"), "{capability}");
    assert_eq!(again, "x BAD encrypted already");
    assert!(welcome.starts_with("x OK [CAPABILITY"), "{welcome}");
}

#[test]
fn commands_injected_behind_starttls_are_never_run() {
    let mail = Mail::new();
    let lines = ["STARTTLS", "NOOP"];
    let answers = talk(&mail, &lines, "y LOGIN bob sesame\r\ny CREATE injected\r\n");
    let last = answers.last().expect("there are some");
    assert_eq!(last, "x OK go ahead", "{answers:?}");
    assert_eq!(mail.control.count("login"), 0);
}
