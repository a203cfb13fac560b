#!/usr/bin/env bash
# CPU time of DNS servers for each query: ours (the example dns_server), nsd, and hickory-dns, with the same zone and
# the same queries of dnsperf, one core each for server and client, in turns.
#
#   cargo build --release -p examples --example dns_server
#   apt-get install nsd dnsperf && cargo install hickory-dns --version 0.26.3 --no-default-features
#   benches/dns_servers.sh target/release/examples/dns_server
#
# A server that is not installed is left out. SECONDS_EACH (default 5) and ROUNDS (default 5) say how long it takes.
set -eu
ours=$1
here=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$here"' EXIT

{
    echo '$TTL 300'
    echo '@ IN SOA ns hostmaster 1 7200 900 1209600 60'
    echo '@ IN NS ns'
    for i in $(seq 1 1000); do echo "host-$i IN A 10.0.$((i / 256)).$((i % 256))"; done
    echo 'ns IN A 192.0.2.1'
} >"$here/zone"
for i in $(seq 1 1000); do echo "host-$i.example.org A"; done >"$here/queries"

taskset -c 0 "$ours" --listen 127.0.0.1:10531 --zone "$here/zone" --origin example.org. >/dev/null &
ours_pid=$!
names="ours"
if command -v nsd >/dev/null; then
    cat >"$here/nsd.conf" <<EOF
server:
  ip-address: 127.0.0.1
  port: 10532
  username: ""
  chroot: ""
  zonesdir: "$here"
  database: ""
  pidfile: "$here/pid"
  xfrdfile: "$here/xfrd"
  zonelistfile: "$here/list"
  cookie-secret-file: "$here/cookie"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: example.org
  zonefile: zone
EOF
    taskset -c 0 nsd -d -c "$here/nsd.conf" 2>/dev/null &
    nsd_pid=$!
    names="$names nsd"
fi
if command -v hickory-dns >/dev/null; then
    cat >"$here/hickory.toml" <<EOF
user = "$(id -un)"
group = "$(id -gn)"
listen_addrs_ipv4 = ["127.0.0.1"]
directory = "$here"
[[zones]]
zone = "example.org"
zone_type = "Primary"
file = "zone"
EOF
    taskset -c 0 hickory-dns -q --workers 1 -p 10533 -c "$here/hickory.toml" >/dev/null 2>&1 &
    hickory_pid=$!
    names="$names hickory"
fi
sleep 2

# CPU time in clock ticks of a process and its descendants.
ticks() {
    local pid sum
    # Behind the name of the process, which may have spaces.
    sum=$(sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}')
    for pid in $(pgrep -P "$1"); do sum=$((sum + $(ticks "$pid"))); done
    echo "$sum"
}

for round in $(seq 1 "${ROUNDS:-5}"); do
    for name in $names; do
        pid_of="${name}_pid"
        case $name in ours) port=10531 ;; nsd) port=10532 ;; *) port=10533 ;; esac
        before=$(ticks "${!pid_of}")
        completed=$(taskset -c 1 dnsperf -s 127.0.0.1 -p $port -d "$here/queries" -l "${SECONDS_EACH:-5}" -c 4 -q 100 |
            awk '/Queries completed/ {print $3}')
        used=$(($(ticks "${!pid_of}") - before))
        echo "$round $name $completed $(awk "BEGIN {printf \"%.2f\", $used * 1e6 / $(getconf CLK_TCK) / $completed}")"
    done
done | tee "$here/figures"
echo "median µs of CPU for a query:"
for name in $names; do
    awk -v name="$name" '$2 == name {print $4}' "$here/figures" | sort -n |
        awk -v name="$name" '{all[NR] = $1} END {print name, all[int((NR + 1) / 2)]}'
done
