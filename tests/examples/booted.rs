//! `web_deploy` as a service of a systemd that has booted, with the units of `examples/deploy` as
//! they are. That systemd is the first process of namespaces of its own, with its own network, so
//! that port 443 is free and the machine does not notice.
//!
//! It needs root, and runs only if it is asked for:
//!
//! ```sh
//! BOOT_SYSTEMD=1 cargo test -p tests --test examples -- booted --nocapture
//! ```

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tests::certificates::Pair;
use tests::{Directory, is_there, skip, wait_for};

use crate::build::binary;

/// Makes the file system that systemd boots from out of this one: none of the machine's units and
/// generators, but those in `$1/units`; the certificate; and the program `$2` where the unit names it.
const BOOT: &str = r#"
set -e
mount --make-rprivate /
# systemd raises limits of the kernel, which has no namespace for them.
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -t tmpfs tmpfs /run
for folder in /usr/lib/systemd/system-generators /etc/systemd /usr/local/bin /etc/ssl; do
    mount -t tmpfs tmpfs $folder
done
touch /usr/local/bin/web_deploy
mount --bind "$2" /usr/local/bin/web_deploy
mkdir /etc/ssl/site
mount --bind "$1/site" /etc/ssl/site
mount --bind "$1/units" /usr/lib/systemd/system
export container=namespaces
exec "$0" --system --unit=site.target --log-target=null --show-status=0
"#;

/// A systemd that has booted. It is killed when dropped, and all of its processes with it.
struct Systemd {
    process: Child,
    files: Directory,
}

impl Systemd {
    /// Boots; `None`, with a note, if that is impossible here.
    fn boot() -> Option<Self> {
        const SYSTEMD: &str = "/usr/lib/systemd/systemd";
        if std::env::var_os("BOOT_SYSTEMD").is_none() {
            skip("BOOT_SYSTEMD is not set");
            return None;
        }
        for program in [SYSTEMD, "unshare", "nsenter", "systemctl", "curl"] {
            if !is_there(program) {
                return None;
            }
        }
        let files = Directory::new("booted");
        units(&files.join("units"));
        fs::create_dir(files.join("site")).expect("a folder");
        let process = Command::new("unshare")
            .args(["--fork", "--pid", "--mount", "--mount-proc", "--net"])
            .args(["--uts", "--ipc", "--cgroup", "--kill-child=KILL"])
            .args(["sh", "-c", BOOT, SYSTEMD])
            .arg(&*files)
            .arg(binary("web_deploy"))
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        let systemd = Self { process, files };
        systemd.renew();
        wait_for("the socket of the site", || {
            systemd.can("systemctl", &["is-active", "--quiet", "web.socket"])
        });
        Some(systemd)
    }

    /// A program beside the site, in its namespaces.
    fn command(&self, program: &str, args: &[&str]) -> Command {
        let parent = self.process.id();
        let children = format!("/proc/{parent}/task/{parent}/children");
        let first = fs::read_to_string(children).expect("a process");
        let mut command = Command::new("nsenter");
        command
            .args(["--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup"])
            .args(["--target", first.trim(), program])
            .args(args)
            .stdin(Stdio::null());
        command
    }

    fn can(&self, program: &str, args: &[&str]) -> bool {
        let mut command = self.command(program, args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().expect("it runs").success()
    }

    /// What the program prints.
    #[track_caller]
    fn run(&self, program: &str, args: &[&str]) -> String {
        let output = self.command(program, args).output().expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {args:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    #[track_caller]
    fn systemctl(&self, args: &[&str]) -> String {
        self.run("systemctl", args)
    }

    /// Asks the site by HTTPS; the answer with its head.
    #[track_caller]
    fn ask(&self) -> String {
        self.run("curl", &CURL)
    }

    /// The process of a service, as the namespaces number it.
    #[track_caller]
    fn main_process(&self, unit: &str) -> String {
        self.systemctl(&["show", "--property=MainPID", "--value", unit])
    }

    /// Gives the site another certificate, which it reads when it starts or reloads.
    fn renew(&self) {
        let pair = Pair::new("localhost");
        let www_data = 33;
        for (name, text) in [
            ("fullchain.pem", pair.certificate),
            ("privkey.pem", pair.key),
        ] {
            let path = self.files.join("site").join(name);
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).expect("a file");
            chown(&path, Some(www_data), Some(www_data)).expect("root");
        }
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // Both err if it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Trusts the certificate that is in the file now, and no other.
const CURL: [&str; 10] = [
    "--silent",
    "--show-error",
    "--include",
    "--max-time",
    "60",
    "--noproxy",
    "*",
    "--cacert",
    "/etc/ssl/site/fullchain.pem",
    "https://localhost/",
];

/// Writes the units of the site, unchanged, and the few that they need.
fn units(folder: &Path) {
    fs::create_dir(folder).expect("a folder");
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/deploy");
    for unit in ["web.socket", "web@.service"] {
        fs::copy(deploy.join(unit), folder.join(unit)).expect("a copy");
    }
    for needed in ["sysinit", "basic", "sockets", "shutdown"] {
        let text = "[Unit]\nDefaultDependencies=no\n";
        fs::write(folder.join(format!("{needed}.target")), text).expect("a file");
    }
    let site = "[Unit]\nDefaultDependencies=no\nWants=web.socket\n";
    fs::write(folder.join("site.target"), site).expect("a file");
}

#[test]
fn the_units_serve_and_hand_over() {
    let Some(systemd) = Systemd::boot() else {
        return;
    };
    // The first client starts the site.
    assert_eq!(systemd.main_process("web@blue.service"), "0\n");
    let answer = systemd.ask();
    assert!(answer.starts_with("HTTP/2 200"), "{answer}");
    assert!(
        answer.ends_with("you are 127.0.0.1, by https\n"),
        "{answer}"
    );
    let blue = systemd.main_process("web@blue.service");
    assert_ne!(blue, "0\n");
    let user = systemd.run("ps", &["-o", "user=", "-p", blue.trim()]);
    assert_eq!(user.trim(), "www-data");

    // The same process gets another certificate.
    systemd.renew();
    systemd.systemctl(&["reload", "web@blue"]);
    wait_for("the new certificate", || systemd.can("curl", &CURL));
    assert_eq!(systemd.main_process("web@blue.service"), blue);

    // Green takes over, and no client is refused.
    systemd.systemctl(&["start", "web@green"]);
    let mut stopping = systemd.command("systemctl", &["stop", "web@blue"]);
    let mut stopping = stopping.spawn().expect("it runs");
    let mut asked = 0;
    while stopping.try_wait().expect("a child").is_none() || asked < 10 {
        systemd.ask();
        asked += 1;
    }
    assert!(stopping.wait().expect("a child").success());
    let result = ["show", "--property=Result", "--value", "web@blue"];
    assert_eq!(systemd.systemctl(&result), "success\n");
    assert_eq!(systemd.main_process("web@blue.service"), "0\n");

    // A process that is killed is started again. The socket stays open, so nothing is refused.
    let green = systemd.main_process("web@green.service");
    systemd.run("kill", &["-KILL", green.trim()]);
    systemd.ask();
    wait_for("the new process", || {
        systemd.can("systemctl", &["is-active", "--quiet", "web@green"])
            && systemd.main_process("web@green.service") != green
    });
    systemd.systemctl(&["stop", "web@green"]);
}
