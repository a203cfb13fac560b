//! Maildir: messages, flags, other writers, subfolders.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use reactor_mail::{Maildir, MaildirError, MaildirFlags};

use crate::folder::{Folder, files};

const MESSAGE: &[u8] = b"Subject: hi\r\n\r\nHello!\r\n";

#[test]
fn a_message_goes_from_tmp_to_new_to_cur() {
    let folder = Folder::new();
    let maildir = folder.maildir("box");
    let mut writer = maildir.begin().expect("it begins");
    writer.write(MESSAGE).expect("it is written");
    assert_eq!(files(&maildir, "tmp").len(), 1);
    assert_eq!(maildir.list().expect("it is read"), []);
    let entry = writer.commit().expect("it is delivered");
    assert_eq!(files(&maildir, "tmp"), [""; 0]);
    assert_eq!(files(&maildir, "new"), [entry.id()]);
    assert!(entry.id().ends_with(",S=20,W=23"), "{}", entry.id());
    assert_eq!((entry.is_new(), entry.size()), (true, Some(23)));

    let path = maildir.path().join("new").join(entry.id());
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(maildir.path()), 0o700);
    assert_eq!(mode(&maildir.path().join("new")), 0o700);

    let seen = maildir
        .add_flags(&entry, MaildirFlags::SEEN)
        .expect("it is renamed");
    assert_eq!(files(&maildir, "cur"), [format!("{}:2,S", entry.id())]);
    assert_eq!((seen.id(), seen.is_new()), (entry.id(), false));
    assert_eq!(
        maildir.list().expect("it is read"),
        std::slice::from_ref(&seen)
    );
    // The old entry is of use still.
    assert_eq!(
        maildir.read(&entry).expect("it is found"),
        b"Subject: hi\n\nHello!\n"
    );
    maildir.remove(&entry).expect("it is found");
    assert_eq!(maildir.list().expect("it is read"), []);
    for done in [
        maildir.remove(&seen),
        maildir.read(&seen).map(drop),
        maildir.add_flags(&seen, MaildirFlags::SEEN).map(drop),
    ] {
        assert!(matches!(done, Err(MaildirError::Gone { id }) if id == seen.id()));
    }
}

#[test]
fn line_ends_are_those_of_unix_however_the_message_is_cut() {
    let folder = Folder::new();
    let maildir = folder.maildir("box");
    let message = b"a\r\n\nb\rc\r\r\n\r";
    for at in 0..=message.len() {
        let mut writer = maildir.begin().expect("it begins");
        for piece in [&message[..at], b"", &message[at..]] {
            writer.write(piece).expect("it is written");
        }
        let entry = writer.commit().expect("it is delivered");
        let text = maildir.read(&entry).expect("it is read");
        // The CR that stands before a line end is no part of that, and so both are kept.
        assert_eq!(text, b"a\n\nb\rc\r\r\n\r", "{at}");
        assert!(entry.id().contains(",S=10,W=12"), "{at}: {}", entry.id());
    }
}

#[test]
fn an_unfinished_delivery_is_never_seen_and_removed_after_36_hours() {
    let folder = Folder::new();
    let maildir = folder.maildir("box");
    let mut writer = maildir.begin().expect("it begins");
    writer.write(MESSAGE).expect("it is written");
    drop(writer);
    assert_eq!(files(&maildir, "tmp"), [""; 0], "it is removed at once");

    // As if the process had died.
    mem::forget(maildir.begin().expect("it begins"));
    let path = maildir.path().join("tmp").join(&files(&maildir, "tmp")[0]);
    for (hours, left) in [(35, 1), (37, 0)] {
        let time = SystemTime::now() - Duration::from_secs(hours * 3600);
        let times = FileTimes::new().set_accessed(time).set_modified(time);
        let file = File::options()
            .write(true)
            .open(&path)
            .expect("it is there");
        file.set_times(times).expect("they are set");
        maildir.create().expect("it is there");
        assert_eq!(files(&maildir, "tmp").len(), left, "{hours}");
    }
    assert_eq!(maildir.list().expect("it is read"), []);
}

#[test]
fn flags_of_other_programs_stay() {
    let folder = Folder::new();
    let maildir = folder.maildir("box");
    let other = |name: &str| fs::write(maildir.path().join(name), "x\n").expect("it is written");
    other("cur/1.a.host:2,aS!");
    other("cur/2.b.host:1,experimental");
    other("cur/3.c.host");
    other("new/4.d.host");
    other("new/.hidden");
    other("cur/5.e\u{7}");
    let odd = Path::new("cur").join(OsStr::from_bytes(b"6.\xff"));
    fs::write(maildir.path().join(odd), "").expect("it is written");

    let entries = maildir.list().expect("it is read");
    let ids: Vec<&str> = entries.iter().map(|entry| entry.id()).collect();
    assert_eq!(ids, ["1.a.host", "2.b.host", "3.c.host", "4.d.host"]);
    let flags: Vec<String> = entries
        .iter()
        .map(|entry| entry.flags().to_string())
        .collect();
    assert_eq!(flags, ["Sa", "", "", ""]);
    assert_eq!(entries[0].size(), None);

    // Another program marks it between a look and a change of flags.
    let entry = &entries[3];
    let new = maildir.path().join("new/4.d.host");
    fs::rename(new, maildir.path().join("cur/4.d.host:2,FS")).expect("it is renamed");
    let changed = maildir
        .add_flags(entry, MaildirFlags::REPLIED)
        .expect("it is found");
    assert_eq!(changed.flags().to_string(), "FRS");
    let changed = maildir
        .remove_flags(entry, MaildirFlags::SEEN)
        .expect("it is found");
    assert_eq!(changed.flags().to_string(), "FR");
    let draft: MaildirFlags = "Dz".parse().expect("letters");
    let changed = maildir.set_flags(entry, draft).expect("it is found");
    assert_eq!(files(&maildir, "cur")[3], "4.d.host:2,Dz");
    assert_eq!(maildir.find("4.d.host").expect("it is there"), changed);
    assert!(matches!(
        "S,".parse::<MaildirFlags>(),
        Err(MaildirError::InvalidFlags { .. })
    ));
}

#[test]
fn messages_are_listed_as_they_came() {
    let folder = Folder::new();
    let maildir = folder.maildir("box");
    let names = [
        "9.x",
        "10.M7P1Q1.x",
        "10.M12P1Q1.x:2,S",
        "11.a",
        "11.b:2,",
        "x",
    ];
    for name in names {
        let place = if name.contains(':') { "cur" } else { "new" };
        fs::write(maildir.path().join(place).join(name), "").expect("it is written");
    }
    let entries = maildir.list().expect("it is read");
    let ids: Vec<&str> = entries.iter().map(|entry| entry.id()).collect();
    assert_eq!(
        ids,
        ["x", "9.x", "10.M7P1Q1.x", "10.M12P1Q1.x", "11.a", "11.b"]
    );
}

#[test]
fn writers_at_once_lose_no_message_and_no_flag() {
    const EACH: usize = 100;
    let folder = Folder::new();
    let maildir = folder.maildir("box");
    let shared = maildir.deliver(MESSAGE).expect("it is delivered");
    thread::scope(|scope| {
        for letter in "FRSa".chars() {
            let (maildir, shared) = (&maildir, &shared);
            scope.spawn(move || {
                let flag = MaildirFlags::from_letter(letter).expect("a letter");
                for _ in 0..EACH {
                    let entry = maildir.deliver(MESSAGE).expect("it is delivered");
                    let entry = maildir.add_flags(&entry, flag).expect("it is there");
                    assert_eq!(entry.flags(), flag);
                    maildir.remove_flags(shared, flag).expect("it is found");
                    maildir.add_flags(shared, flag).expect("it is found");
                }
            });
        }
    });
    let entries = maildir.list().expect("it is read");
    let ids: HashSet<&str> = entries.iter().map(|entry| entry.id()).collect();
    assert_eq!(ids.len(), 4 * EACH + 1);
    let shared = maildir.find(shared.id()).expect("it is there");
    assert_eq!(shared.flags().to_string(), "FRSa");
}

#[test]
fn a_list_misses_no_message_that_is_renamed_meanwhile() {
    const MESSAGES: usize = 300;
    let folder = Folder::new();
    let maildir = folder.maildir("box");
    for number in 0..MESSAGES {
        fs::write(maildir.path().join(format!("new/{number}.x")), "").expect("it is written");
    }
    let entries = maildir.list().expect("it is read");
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Each message moves once from `new` to `cur`, while the folder is listed.
            for entry in &entries {
                maildir
                    .add_flags(entry, MaildirFlags::SEEN)
                    .expect("it is there");
            }
            is_done.store(true, Ordering::Release);
        });
        while !is_done.load(Ordering::Acquire) {
            assert_eq!(maildir.list().expect("it is read").len(), MESSAGES);
        }
    });
}

#[test]
fn a_message_for_several_is_in_all_or_in_none() {
    let folder = Folder::new();
    let [bob, ann] = ["bob", "ann"].map(|name| folder.maildir(name));
    let mut writer = bob.begin().expect("it begins");
    writer.add_maildir(ann.clone());
    writer.write(MESSAGE).expect("it is written");
    writer.commit().expect("it is delivered");
    let [of_bob, of_ann] = [&bob, &ann].map(|maildir| {
        let entry = maildir.list().expect("it is read").remove(0);
        let file = maildir.open(&entry).expect("it is there");
        file.metadata().expect("it is read").ino()
    });
    assert_eq!(of_bob, of_ann, "it is on disk once");

    for (missing, expected) in [("nowhere", "no Maildir at "), ("loop", "cannot access ")] {
        let mut writer = bob.begin().expect("it begins");
        writer.add_maildir(ann.clone());
        writer.add_maildir(Maildir::new(folder.0.join(missing)));
        symlink("loop", folder.0.join("loop")).ok();
        let failed = writer.commit().expect_err("it cannot be delivered");
        assert!(failed.to_string().starts_with(expected), "{failed}");
        for maildir in [&bob, &ann] {
            assert_eq!(maildir.list().expect("it is read").len(), 1);
            assert_eq!(files(maildir, "tmp"), [""; 0]);
        }
    }
}

#[test]
fn a_message_for_another_file_system_is_copied() {
    let folder = Folder::new();
    let memory = Path::new("/dev/shm");
    let device = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.dev());
    if device(memory) == 0 || device(memory) == device(&folder.0) {
        return tests::skip(format_args!("no second file system"));
    }
    let other = Folder::below(memory);
    let (bob, ann) = (folder.maildir("bob"), other.maildir("ann"));
    let mut writer = bob.begin().expect("it begins");
    writer.add_maildir(ann.clone());
    writer.write(MESSAGE).expect("it is written");
    writer.commit().expect("it is delivered");
    let entry = ann.list().expect("it is read").remove(0);
    assert_eq!(
        ann.read(&entry).expect("it is there"),
        b"Subject: hi\n\nHello!\n"
    );
    assert_eq!(files(&ann, "tmp"), [""; 0]);
}

#[test]
fn names_of_subfolders_lead_nowhere_else() {
    let folder = Folder::new();
    let maildir = folder.maildir("box");
    let long = "x".repeat(255);
    for name in [
        "",
        ".",
        "..",
        "...",
        ".a",
        "a.",
        "a..b",
        "a/b",
        "/",
        "../x",
        "a\0b",
        "a\nb",
        &long,
        "x/../../y",
    ] {
        for failed in [
            maildir.folder(name).map(drop),
            maildir.create_folder(name).map(drop),
            maildir.rename_folder("A", name),
            maildir.rename_folder(name, "A"),
            maildir.remove_folder(name),
        ] {
            let failed = failed.expect_err("it is refused");
            assert!(
                matches!(&failed, MaildirError::InvalidFolderName { name: of } if of == name),
                "{name:?}: {failed}"
            );
        }
    }
    let found = maildir.find("../../etc/passwd");
    assert!(matches!(found, Err(MaildirError::Gone { .. })));
    let inside: Vec<_> = fs::read_dir(&*folder.0).expect("it is there").collect();
    assert_eq!(inside.len(), 1);
}

#[test]
fn subfolders_are_created_renamed_and_removed() {
    let folder = Folder::new();
    let maildir = folder.maildir("box");
    assert_eq!(maildir.folders().expect("it is read"), [""; 0]);
    let year = maildir.create_folder("Archive.2026").expect("it is made");
    maildir.create_folder("Sent").expect("it is made");
    // Neither is a Maildir.
    fs::create_dir(maildir.path().join(".git")).expect("it is made");
    fs::write(maildir.path().join(".profile"), "").expect("it is written");
    assert_eq!(
        maildir.folders().expect("it is read"),
        ["Archive.2026", "Sent"]
    );
    assert!(maildir.path().join(".Sent/maildirfolder").exists());
    year.deliver(MESSAGE).expect("it is delivered");
    assert_eq!(maildir.list().expect("it is read"), []);

    let exists = maildir.create_folder("Sent").expect_err("it is there");
    assert!(matches!(exists, MaildirError::FolderExists { name } if name == "Sent"));
    let exists = maildir
        .rename_folder("Archive.2026", "Sent")
        .expect_err("it is there");
    assert!(matches!(exists, MaildirError::FolderExists { name } if name == "Sent"));
    maildir
        .rename_folder("Archive.2026", "Old")
        .expect("it is renamed");
    let old = maildir.folder("Old").expect("a name");
    assert_eq!(old.list().expect("it is read").len(), 1);
    for missing in [
        maildir.rename_folder("No", "Yes"),
        maildir.remove_folder("No"),
    ] {
        assert!(matches!(missing, Err(MaildirError::NoMaildir { .. })));
    }
    maildir.remove_folder("Old").expect("it is removed");
    assert!(!old.exists());
    assert_eq!(maildir.folders().expect("it is read"), ["Sent"]);
    assert_eq!(files(&maildir, "tmp"), [""; 0]);
}

#[test]
fn what_the_system_refuses_is_named() {
    let folder = Folder::new();
    let nowhere = Maildir::new(folder.0.join("not/there"));
    assert!(!nowhere.exists());
    let failed = nowhere.create().expect_err("its parent is missing");
    assert!(failed.to_string().ends_with("/not/there"), "{failed}");
    for failed in [nowhere.list().map(drop), nowhere.begin().map(drop)] {
        assert!(matches!(failed, Err(MaildirError::NoMaildir { path }) if path == nowhere.path()));
    }
    // A folder that leads to itself cannot be read, not even by root.
    let maildir = folder.maildir("box");
    let new = maildir.path().join("new");
    fs::remove_dir(&new).expect("it is empty");
    symlink("new", &new).expect("it is made");
    let failed = maildir.list().expect_err("it leads to itself");
    assert!(
        matches!(&failed, MaildirError::Io { path, .. } if *path == new),
        "{failed:?}"
    );
    assert!(!failed.is_full());
    let failed = maildir.deliver(MESSAGE).expect_err("it leads to itself");
    assert!(matches!(failed, MaildirError::Io { .. }), "{failed:?}");
    assert_eq!(files(&maildir, "tmp"), [""; 0]);
}
