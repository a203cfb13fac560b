#!/usr/bin/env python3
"""Processor time and memory of IMAP servers that send 10,000 messages of 4 KiB from a Maildir: ours (the
example mail_server) and dovecot, one core for the servers and one for the client, in turns.

    cargo build --release -p examples --example mail_server
    apt-get install dovecot-imapd
    benches/imap_servers.py target/release/examples/mail_server

It needs root, as dovecot does. ROUNDS (default 5) and MESSAGES (default 10000) say how long it takes.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

OURS = sys.argv[1]
ROUNDS = int(os.environ.get("ROUNDS", 5))
MESSAGES = int(os.environ.get("MESSAGES", 10_000))
TICK = os.sysconf("SC_CLK_TCK")
# Users of dovecot are not root.
USER = 33
FETCHES = {
    "whole messages": b"FETCH 1:* (UID FLAGS BODY.PEEK[])",
    "headers and sizes": b"FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER])",
    "envelopes": b"FETCH 1:* (UID FLAGS ENVELOPE)",
}


def fill(maildir):
    for name in ("cur", "new", "tmp"):
        os.makedirs(f"{maildir}/{name}")
    line = "x" * 62 + "\n"
    for i in range(MESSAGES):
        with open(f"{maildir}/cur/{1700000000 + i}.M{i}P1.localhost:2,S", "w") as file:
            file.write(
                f"From: eve@example.org\nTo: bob@example.org\nSubject: message {i}\n"
                f"Date: Sun, 29 Nov 2026 10:00:00 +0000\nMessage-ID: <{i}@example.org>\n\n" + line * 61
            )
    for where, folders, files in os.walk(os.path.dirname(maildir)):
        for name in ["."] + folders + files:
            os.chown(f"{where}/{name}", USER, USER)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(port):
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def tree(pid):
    """The process and all below it."""
    found = [pid]
    for child in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split():
        found += tree(int(child))
    return found


def processor_time(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def peak(pids):
    """The largest resident memory of one of them, in MiB."""
    sizes = []
    for pid in pids:
        with open(f"/proc/{pid}/status") as file:
            sizes += [int(line.split()[1]) for line in file if line.startswith("VmHWM")]
    return max(sizes) / 1024


class Session:
    """Logged in, with the mailbox selected."""

    def __init__(self, port):
        self.stream = wait_for(port)
        self.stream.recv(4096)
        self.command(b"LOGIN bob sesame")
        self.command(b"SELECT INBOX")

    def command(self, text):
        self.stream.sendall(b"a " + text + b"\r\n")
        length, end = 0, b""
        while True:
            data = self.stream.recv(1 << 20)
            assert data, "it hung up"
            length += len(data)
            end = (end + data)[-2000:]
            if end.endswith(b"\r\n"):
                last = end[:-2].rpartition(b"\r\n")[2]
                if last.startswith(b"a "):
                    assert last.startswith(b"a OK"), last
                    return length


here = tempfile.mkdtemp()
os.chmod(here, 0o755)
servers = {}
try:
    os.sched_setaffinity(0, {1} if os.cpu_count() > 1 else {0})
    on_core = ["taskset", "-c", "0"]
    for name in ("ours", "dovecot"):
        fill(f"{here}/{name}/bob")
    port = free_port()
    command = [OURS, "--listen", "127.0.0.1:0", "--imap", f"127.0.0.1:{port}", "--folder", f"{here}/ours", "--user", "bob:sesame"]
    servers["ours"] = (subprocess.Popen(on_core + command, stdout=subprocess.DEVNULL), port)
    if shutil.which("dovecot"):
        port = free_port()
        with open(f"{here}/users", "w") as file:
            file.write(f"bob:{{PLAIN}}sesame:{USER}:{USER}::/nowhere::\n")
        with open(f"{here}/dovecot.conf", "w") as file:
            file.write(
                f"protocols = imap\nlisten = 127.0.0.1\nbase_dir = {here}/run\nstate_dir = {here}/state\n"
                f"log_path = {here}/log\nssl = no\ndisable_plaintext_auth = no\n"
                f"mail_location = maildir:{here}/dovecot/%u\nfirst_valid_uid = {USER}\n"
                "default_internal_user = www-data\ndefault_internal_group = www-data\n"
                "default_login_user = www-data\nservice imap-login {\n chroot =\n inet_listener imap {\n"
                f"  port = {port}\n }}\n inet_listener imaps {{\n  port = 0\n }}\n}}\n"
                "service anvil {\n chroot =\n}\nservice stats {\n chroot =\n}\n"
                f"passdb {{\n driver = passwd-file\n args = {here}/users\n}}\n"
                f"userdb {{\n driver = passwd-file\n args = {here}/users\n}}\n"
            )
        servers["dovecot"] = (subprocess.Popen(on_core + ["dovecot", "-F", "-c", f"{here}/dovecot.conf"]), port)
    else:
        print("dovecot is not installed; only ours is measured")

    sessions = {name: Session(port) for name, (_, port) in servers.items()}
    pids = {name: tree(process.pid) for name, (process, _) in servers.items()}
    print(f"{MESSAGES} messages of 4 KiB, medians of {ROUNDS} rounds\n")
    print(f"{'processor time, ms':22}" + "".join(f"{name:>10}" for name in servers) + "   ours to dovecot")
    for what, fetch in FETCHES.items():
        times = {name: [] for name in servers}
        # The first round warms up: dovecot writes its index.
        for round in range(ROUNDS + 1):
            lengths = {}
            for name, session in sessions.items():
                before = processor_time(pids[name])
                lengths[name] = session.command(fetch)
                if round > 0:
                    times[name].append((processor_time(pids[name]) - before) * 1000)
        assert max(lengths.values()) < 1.1 * min(lengths.values()), lengths
        line = f"{what:22}" + "".join(f"{statistics.median(all):10.0f}" for all in times.values())
        if "dovecot" in times:
            ratios = sorted(ours / max(peer, 1) for ours, peer in zip(*times.values()))
            line += f"   {statistics.median(ratios):.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}]"
        print(line)
    print(f"{'peak of memory, MiB':22}" + "".join(f"{peak(pids[name]):10.1f}" for name in servers))
finally:
    for process, _ in servers.values():
        process.terminate()
        process.wait()
    shutil.rmtree(here)
