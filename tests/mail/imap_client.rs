//! `ImapClient`: its commands, and what it makes of the answers.

use std::num::NonZeroU32;

use reactor_mail::imap_types::fetch::Macro;
use reactor_mail::imap_types::flag::{Flag, StoreType};
use reactor_mail::imap_types::response::Code;
use reactor_mail::imap_types::search::SearchKey;
use reactor_mail::imap_types::status::{StatusDataItem, StatusDataItemName};
use reactor_mail::{ImapError, ImapEvent, ImapMessages};

use crate::imap_script::{
    AT, BODY, error, events, in_the_clear, with_capabilities, with_client, with_server,
};

fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("it is positive")
}

#[test]
fn it_logs_in_selects_and_logs_out() {
    with_client(|reactor, server, client| {
        let login = client.login("eve", "sesame");
        let select = client.select("INBOX");
        server.hears("a1 LOGIN eve sesame\r\n");
        server.says("a1 OK [CAPABILITY IMAP4rev1 IDLE] welcome\r\n");
        reactor.result_of(login).expect("it is in");
        server.hears("a2 SELECT INBOX\r\n");
        server.says(
            "* FLAGS (\\Seen \\Deleted)\r\n* 17 EXISTS\r\n* 2 RECENT\r\n\
             * OK [UNSEEN 8] first\r\n* OK [UIDVALIDITY 3857529045] valid\r\n\
             * OK [UIDNEXT 4392] next\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] limited\r\n\
             a2 OK [READ-WRITE] selected\r\n",
        );
        let inbox = reactor.result_of(select).expect("it is there");
        assert_eq!((inbox.exists, inbox.recent), (17, 2));
        assert_eq!(inbox.flags, [Flag::Seen, Flag::Deleted]);
        assert_eq!(inbox.permanent_flags.len(), 2);
        assert_eq!(inbox.uid_validity, Some(nonzero(3_857_529_045)));
        assert_eq!(inbox.uid_next, Some(nonzero(4392)));
        assert_eq!(inbox.first_unseen, Some(nonzero(8)));
        assert!(!inbox.is_read_only);

        let examine = client.examine("INBOX");
        server.hears("a3 EXAMINE INBOX\r\n");
        server.says("a3 OK [READ-ONLY] selected\r\n");
        assert!(reactor.result_of(examine).expect("there").is_read_only);

        let logout = client.logout();
        server.hears("a4 LOGOUT\r\n");
        server.says("* BYE see you\r\na4 OK done\r\n");
        reactor.result_of(logout).expect("it is out");
        assert!(server.is_left());
        assert_eq!(error(reactor, client.noop()), ImapError::Closed);
    });
}

#[test]
fn capabilities_are_asked_for_if_they_do_not_come() {
    with_server(|reactor, server| {
        let connect = in_the_clear().connect(reactor, AT);
        reactor.settle();
        server.hears("");
        server.says("* OK hello\r\n");
        server.hears("a1 CAPABILITY\r\n");
        server.says("* CAPABILITY IMAP4rev1\r\na1 OK done\r\n");
        let client = reactor.result_of(connect).expect("it is connected");
        let login = client.login("eve", "sesame");
        let list = client.list("", "*");
        server.hears("a2 LOGIN eve sesame\r\n");
        server.says("a2 OK in\r\n");
        // Before anything that may depend on them.
        server.hears("a4 CAPABILITY\r\n");
        server.says("* CAPABILITY IMAP4rev1 IDLE\r\na4 OK done\r\n");
        reactor.result_of(login).expect("it is in");
        server.hears("a3 LIST \"\" *\r\n");
        server.says("a3 OK done\r\n");
        assert!(reactor.result_of(list).expect("a list").is_empty());
        let capabilities = client.capability();
        server.hears("a5 CAPABILITY\r\n");
        server.says("* CAPABILITY imap4rev1 idle x-y\r\na5 OK done\r\n");
        let capabilities = reactor.result_of(capabilities).expect("a list");
        assert_eq!(capabilities, ["IMAP4REV1", "IDLE", "X-Y"]);
    });
}

#[test]
fn mailboxes_have_names_in_any_script() {
    with_client(|reactor, server, client| {
        let list = client.list("", "Entw\u{fc}rfe/%");
        server.hears("a1 LIST \"\" Entw&APw-rfe/%\r\n");
        server.says(
            "* LIST (\\HasNoChildren) \"/\" \"Entw&APw-rfe/a &- b\"\r\n\
             * LIST (\\Noselect) NIL {6}\r\n&U,BTF\r\n* LIST () \"\\\\\" inbox\r\na1 OK done\r\n",
        );
        let list = reactor.result_of(list).expect("a list");
        let list: Vec<_> = list.iter().map(|it| (&*it.name, it.delimiter)).collect();
        let expected = [
            ("Entw\u{fc}rfe/a & b", Some('/')),
            // No valid encoding: as it is.
            ("&U,BTF", None),
            ("INBOX", Some('\\')),
        ];
        assert_eq!(list, expected);

        let commands = [
            client.create("\u{53f0}\u{5317}"),
            client.rename("a b", "c\"d"),
            client.delete("x{5}"),
            client.subscribe("x\r\na LOGOUT"),
            client.unsubscribe("x"),
        ];
        let expected = [
            "a2 CREATE &U,BTFw-\r\n",
            "a3 RENAME \"a b\" \"c\\\"d\"\r\n",
            "a4 DELETE \"x{5}\"\r\n",
            "a5 SUBSCRIBE \"x&AA0ACg-a LOGOUT\"\r\n",
            "a6 UNSUBSCRIBE x\r\n",
        ];
        for (command, expected) in commands.into_iter().zip(expected) {
            server.hears(expected);
            server.says(format!("{} OK done\r\n", &expected[..2]));
            reactor.result_of(command).expect("it is done");
        }

        let items = [StatusDataItemName::Messages, StatusDataItemName::UidNext];
        let status = client.status("x", items);
        server.hears("a7 STATUS x (MESSAGES UIDNEXT)\r\n");
        server.says("* STATUS x (MESSAGES 231 UIDNEXT 44292)\r\na7 OK done\r\n");
        let expected = [
            StatusDataItem::Messages(231),
            StatusDataItem::UidNext(nonzero(44292)),
        ];
        assert_eq!(reactor.result_of(status).expect("numbers"), expected);
    });
}

#[test]
fn a_refusal_has_its_code_and_text() {
    with_client(|reactor, server, client| {
        let select = client.select("gone");
        server.hears("a1 SELECT gone\r\n");
        server.says("a1 NO [TRYCREATE] no such mailbox\r\n");
        let expected = ImapError::No {
            code: Some(Code::TryCreate),
            text: "no such mailbox".to_owned(),
        };
        assert_eq!(error(reactor, select), expected);
        let noop = client.noop();
        server.says("a2 BAD gr\u{fc}n\r\n");
        let expected = ImapError::Bad {
            code: None,
            text: "gr??n".to_owned(),
        };
        assert_eq!(error(reactor, noop), expected);
    });
}

#[test]
fn messages_are_found_fetched_and_flagged() {
    with_client(|reactor, server, client| {
        let found = client.search([SearchKey::Unseen]);
        server.hears("a1 UID SEARCH UNSEEN\r\n");
        server.says("* SEARCH 4 7\r\na1 OK done\r\n");
        let found = reactor.result_of(found).expect("a search");
        assert_eq!(found, [nonzero(4), nonzero(7)]);

        let events = events(client);
        let messages = client.fetch(ImapMessages::uids("4,7"), vec![BODY]);
        server.hears("a2 UID FETCH 4,7 BODY.PEEK[]\r\n");
        server.says(
            "* 1 FETCH (UID 4 BODY[] {11}\r\nFrom: bob\r\n)\r\n* 9 FETCH (FLAGS (\\Seen))\r\n\
             * 2 FETCH (BODY[] \"hi\" UID 7)\r\n* 12 EXISTS\r\na2 OK done\r\n",
        );
        let messages = reactor.result_of(messages).expect("messages");
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].uid(), Some(nonzero(4)));
        assert_eq!(messages[0].body(), Some(&b"From: bob\r\n"[..]));
        assert_eq!(messages[1].uid(), Some(nonzero(7)));
        assert_eq!(messages[1].body(), Some(&b"hi"[..]));
        // What was not asked for: another message's flags have changed, and there is a new one.
        let events = events.take();
        assert!(
            matches!(&events[..], [ImapEvent::Message(message), ImapEvent::Exists(12)]
                if message.number.get() == 9),
            "{events:?}"
        );

        let store = client.store(ImapMessages::numbers(2), StoreType::Add, [Flag::Seen]);
        server.hears("a3 STORE 2 +FLAGS (\\Seen)\r\n");
        server.says("* 2 FETCH (FLAGS (\\Seen))\r\na3 OK done\r\n");
        let stored = reactor.result_of(store).expect("flags");
        assert_eq!(stored[0].flags().map(<[_]>::len), Some(1));

        let fetched = client.fetch(ImapMessages::numbers("*"), Macro::Fast);
        server.hears("a4 FETCH * FAST\r\n");
        server.says("* 2 FETCH (RFC822.SIZE 12 FLAGS ())\r\na4 OK done\r\n");
        let fetched = reactor.result_of(fetched).expect("sizes");
        assert_eq!(fetched[0].size(), Some(12));
    });
}

#[test]
fn messages_are_appended_copied_moved_and_expunged() {
    with_client(|reactor, server, client| {
        let append = client.append("INBOX", [Flag::Seen], None, "a\r\nb");
        server.hears("a1 APPEND INBOX (\\Seen) {4+}\r\na\r\nb\r\n");
        server.says("a1 OK [APPENDUID 3 9] done\r\n");
        let code = reactor.result_of(append).expect("it is there");
        assert!(matches!(code, Some(Code::AppendUid { uid, .. }) if uid == nonzero(9)));

        let copy = client.copy(ImapMessages::uids(9), "b");
        server.hears("a2 UID COPY 9 b\r\n");
        server.says("a2 OK [COPYUID 3 9 1] done\r\n");
        let code = reactor.result_of(copy).expect("it is copied");
        assert!(matches!(code, Some(Code::CopyUid { .. })));

        let moved = client.move_to(ImapMessages::uids(9), "b");
        server.hears("a3 UID MOVE 9 b\r\n");
        server.says("* OK [COPYUID 3 9 2] moved\r\n* 1 EXPUNGE\r\na3 OK done\r\n");
        let code = reactor.result_of(moved).expect("it is moved");
        assert!(matches!(code, Some(Code::CopyUid { .. })));

        let expunge = client.expunge();
        server.hears("a4 EXPUNGE\r\n");
        server.says("a4 OK done\r\n");
        reactor.result_of(expunge).expect("it is done");
        let expunge = client.expunge_only(ImapMessages::uids("5:7"));
        server.hears("a5 UID EXPUNGE 5:7\r\n");
        server.says("a5 OK done\r\n");
        reactor.result_of(expunge).expect("it is done");
        let close = client.close();
        server.hears("a6 CLOSE\r\n");
        server.says("a6 OK done\r\n");
        reactor.result_of(close).expect("it is done");
    });
}

#[test]
fn a_literal_waits_until_the_server_asks_for_it() {
    with_capabilities("IMAP4rev1", |reactor, server, client| {
        let login = client.login("\u{e9}ve", "p\"\r\nw");
        let noop = client.noop();
        server.hears("a1 LOGIN {4}\r\n");
        server.says("+ go on\r\n");
        server.hears("\u{e9}ve {5}\r\n");
        server.says("+ \r\n");
        server.hears("p\"\r\nw\r\n");
        server.says("a1 OK [CAPABILITY IMAP4rev1] in\r\n");
        reactor.result_of(login).expect("it is in");
        server.hears("a2 NOOP\r\n");
        server.says("a2 OK done\r\n");
        reactor.result_of(noop).expect("it is done");

        // Refused: the literal is not sent.
        let append = client.append("INBOX", [], None, "12345");
        server.hears("a3 APPEND INBOX {5}\r\n");
        server.says("a3 NO [TRYCREATE] no\r\n");
        assert!(matches!(error(reactor, append), ImapError::No { .. }));
        let noop = client.noop();
        server.hears("a4 NOOP\r\n");
        server.says("a4 OK done\r\n");
        reactor.result_of(noop).expect("it is done");
    });
}

#[test]
fn short_literals_do_not_wait_with_literal_minus() {
    with_capabilities("IMAP4rev1 LITERAL-", |_reactor, server, client| {
        client.append("INBOX", [], None, "12345").ignore();
        server.hears("a1 APPEND INBOX {5+}\r\n12345\r\n");
        server.says("a1 OK done\r\n");
        client.append("INBOX", [], None, vec![b'x'; 5000]).ignore();
        server.hears("a2 APPEND INBOX {5000}\r\n");
    });
}

#[test]
fn plain_is_sent_when_the_server_asks_for_it() {
    with_client(|reactor, server, client| {
        let login = client.authenticate_plain("eve", "sesame");
        server.hears("a1 AUTHENTICATE PLAIN\r\n");
        server.says("+ \r\n");
        server.hears("AGV2ZQBzZXNhbWU=\r\n");
        server.says("a1 OK [CAPABILITY IMAP4rev1] in\r\n");
        reactor.result_of(login).expect("it is in");
        let login = client.authenticate_plain("eve", "ses\0ame");
        assert!(matches!(
            error(reactor, login),
            ImapError::InvalidArgument { .. }
        ));
        // It has no such mechanism any more.
        let login = client.authenticate_plain("eve", "sesame");
        let capability = "AUTH=PLAIN";
        let expected = ImapError::NotSupported { capability };
        assert_eq!(error(reactor, login), expected);
        server.hears("");
    });
}

#[test]
fn a_search_for_text_says_its_character_set() {
    with_client(|reactor, server, client| {
        let key = SearchKey::Subject("gr\u{fc}n".try_into().expect("text"));
        let found = client.search([key]);
        server.hears("a1 UID SEARCH CHARSET UTF-8 SUBJECT {5+}\r\ngr\u{fc}n\r\n");
        server.says("* SEARCH\r\na1 OK done\r\n");
        assert_eq!(reactor.result_of(found).expect("a search"), []);
        let nothing = client.search([]);
        assert!(matches!(
            error(reactor, nothing),
            ImapError::InvalidArgument { .. }
        ));
    });
}

#[test]
fn the_end_of_the_connection_fails_what_waits() {
    with_client(|reactor, server, client| {
        let (running, waiting) = (client.select("INBOX"), client.noop());
        server.hears("a1 SELECT INBOX\r\n");
        server.hangs_up();
        assert_eq!(error(reactor, running), ImapError::Closed);
        assert_eq!(error(reactor, waiting), ImapError::Closed);
        assert_eq!(error(reactor, client.idle()), ImapError::Closed);
    });
}
