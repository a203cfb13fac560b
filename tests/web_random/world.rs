//! `World`: a site with a reverse proxy before three upstreams, and their clients, for one seed.

use std::rc::Rc;
use std::time::Duration;

use deferred::{Clock, Deferred, DeferredHandle, State};
use reactor::ListeningPort;
use reactor::testing::TestReactor;
use reactor_web::reverse::{Balance, ReverseProxy};
use reactor_web::{Client, Limits, Site};
use tests::debug_number;

use crate::client::Asked;
use crate::ledger::Ledger;
use crate::member::Guest;
use crate::random::Random;
use crate::raw::RawPeer;
use crate::site::app;

const UPSTREAMS: [(&str, u16); 3] = [("one", 8001), ("two", 8002), ("three", 8003)];

/// A site that listens.
struct Server {
    site: Site,
    port: ListeningPort,
}

impl Server {
    fn finish(self) {
        self.port.stop_listening().ignore();
        self.site.finish().ignore();
    }
}

pub(crate) struct World {
    reactor: TestReactor,
    random: Random,
    ledger: Rc<Ledger>,
    front: Server,
    upstreams: [Option<Server>; 3],
    proxy: ReverseProxy,
    client: Client,
    numbers: u64,
    /// The largest body.
    largest: usize,
    /// Whether the client gives connections up before the site does.
    keeps_short: bool,
    asked: Vec<DeferredHandle>,
    waiting: Vec<Deferred<()>>,
    raw: Vec<RawPeer>,
    all_guests: Vec<Guest>,
    /// Open connections of the front site, and those of them that were parked, at the last step.
    counted: [usize; 2],
}

/// What a run may do; some of it is left out in each seed, since faults that hide others would else
/// be in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Ask,
    Cancel,
    ConnectRaw,
    ActRaw,
    Enter,
    ActGuest,
    KillUpstream,
    StartUpstream,
    CutReads,
    CloseIdle,
    Wait,
}

const ALL: [Action; 11] = [
    Action::Ask,
    Action::Cancel,
    Action::ConnectRaw,
    Action::ActRaw,
    Action::Enter,
    Action::ActGuest,
    Action::KillUpstream,
    Action::StartUpstream,
    Action::CutReads,
    Action::CloseIdle,
    Action::Wait,
];

impl World {
    fn new(seed: u64, ledger: &Rc<Ledger>) -> Self {
        let (reactor, random) = (TestReactor::new(), Random::new(seed));
        let (is_http2, keeps_short) = (random.percent(30), random.percent(50));
        let mut proxy = ReverseProxy::builder()
            .balance(random.one_of(&[Balance::RoundRobin, Balance::LeastConnections]))
            .eject_after(2, Duration::from_secs(3))
            .client(proxied(&random));
        for (_, port) in UPSTREAMS {
            proxy = proxy.upstream(format!("http://127.0.0.1:{port}"));
        }
        if random.percent(30) {
            proxy = proxy.health_check("/now/0/1", Duration::from_secs(4));
        }
        let proxy = proxy.build(&reactor).expect("they are URLs");
        let limits = Limits::default()
            .with_shutdown_timeout(Duration::from_secs(random.one_of(&[0, 1, 30])))
            .with_idle_grace(Duration::from_secs(random.one_of(&[0, 0, 5])))
            .with_half_close(random.percent(30))
            .with_strict(random.percent(30));
        let front = app(ledger, limits, "front").mount("/proxy", proxy.clone());
        let front = listen(&reactor, front.into_site().expect("a site"), 80);
        let mut client = Client::builder()
            .in_flight_per_origin(random.one_of(&[1, 3, 100]))
            .idle_per_origin(random.one_of(&[0, 1, 32]))
            .idle_timeout(Duration::from_secs(if keeps_short { 30 } else { 60 }))
            .head_timeout(Duration::from_secs(random.one_of(&[8, 70])));
        if is_http2 {
            ledger.count("HTTP/2");
            client = client.http2_prior_knowledge();
        }
        ledger.note(format!("HTTP/2: {is_http2}, {limits:?}"));
        let client = client.build(&reactor);
        let mut world = Self {
            reactor,
            random,
            ledger: Rc::clone(ledger),
            front,
            upstreams: [None, None, None],
            proxy,
            client,
            numbers: 0,
            largest: 150_000,
            keeps_short,
            asked: Vec::new(),
            waiting: Vec::new(),
            raw: Vec::new(),
            all_guests: Vec::new(),
            counted: [0, 0],
        };
        (0..3).for_each(|index| world.start_upstream(index));
        world
    }

    fn start_upstream(&mut self, index: usize) {
        if self.upstreams[index].is_some() {
            return;
        }
        let (name, port) = UPSTREAMS[index];
        // Without a time for it, a graceful stop is none.
        let time = Duration::from_secs(self.random.one_of(&[0, 0, 5]));
        let app = app(
            &self.ledger,
            Limits::default().with_shutdown_timeout(time),
            name,
        );
        let site = app.into_site().expect("a site");
        self.upstreams[index] = Some(listen(&self.reactor, site, port));
    }

    fn step(&mut self, actions: &[Action]) {
        let action = self.random.one_of(actions);
        self.ledger
            .note(format!("{:?}: {action:?}", self.reactor.now()));
        match action {
            Action::Ask => self.ask(),
            Action::Cancel => {
                if !self.asked.is_empty() {
                    let index = self.random.index(self.asked.len());
                    self.asked.swap_remove(index).cancel();
                }
            }
            Action::ConnectRaw => {
                let (reactor, site) = (&self.reactor, &self.front.site);
                self.raw.extend(RawPeer::connect(
                    reactor,
                    site,
                    &self.random,
                    &mut self.numbers,
                ));
            }
            Action::ActRaw => {
                let now = self.reactor.now();
                for peer in &mut self.raw {
                    if self.random.percent(50) {
                        peer.act(now, &self.random, &self.ledger);
                    }
                }
            }
            Action::Enter => {
                self.numbers += 1;
                let guest = Guest::enter(&self.reactor, &self.random, self.numbers, &self.ledger);
                self.all_guests.push(guest.expect("a URL"));
            }
            Action::ActGuest => {
                for guest in &mut self.all_guests {
                    if self.random.percent(50) {
                        guest.act(&self.random, &self.ledger);
                    }
                }
            }
            Action::KillUpstream => {
                let index = self.random.index(3);
                if let Some(server) = self.upstreams[index].take() {
                    self.ledger.count("an upstream has died");
                    server.finish();
                }
            }
            Action::StartUpstream => self.start_upstream(self.random.index(3)),
            Action::CutReads => {
                let largest = self.random.one_of(&[1, 7, 100, 4096, 65_536]);
                // A large body that is under way already would take a million turns by single bytes.
                let is_large = self.largest > 1500 && self.numbers > 0;
                let largest = if is_large { largest.max(100) } else { largest };
                // Large bodies by single bytes take long, and show nothing more.
                self.largest = if largest < 4096 { 1500 } else { 150_000 };
                self.reactor.set_largest_read(largest);
            }
            Action::CloseIdle => self.client.close_idle(),
            Action::Wait => {
                let ms = self.random.one_of(&[1, 100, 1000, 5000, 20_000, 65_000]);
                self.reactor.advance(Duration::from_millis(ms));
            }
        }
        let ms = self.random.one_of(&[0, 0, 0, 1, 20, 300]);
        self.reactor.advance(Duration::from_millis(ms));
        self.count_parked();
    }

    /// Counts idle connections that have given the memory of hyper back, and those that have it
    /// again.
    fn count_parked(&mut self) {
        let site = &self.front.site;
        let [connections, parked] = [site.connections(), debug_number(site, "parked")];
        let [known, known_parked] = std::mem::replace(&mut self.counted, [connections, parked]);
        if parked > known_parked {
            self.ledger.count("a connection is parked");
        }
        if parked < known_parked && connections >= known {
            self.ledger.count("a parked connection is used");
        }
    }

    fn ask(&mut self) {
        for _ in 0..self.random.number(1..5) {
            self.numbers += 1;
            let asked = Asked::random(&self.random, self.numbers, self.largest, self.keeps_short);
            let mut end = asked.send(&self.client, &self.random, &self.ledger);
            self.asked.push(end.handle());
            self.waiting.push(end);
        }
    }

    /// Lets everything come to its end, and checks what is left.
    fn end(mut self) {
        self.reactor.set_largest_read(65_536);
        let now = self.reactor.now();
        for peer in &mut self.raw {
            peer.complete(now);
        }
        self.all_guests.iter().for_each(Guest::resume);
        self.reactor.advance(Duration::from_secs(5));
        // In half of the runs, the site finishes while requests are under way.
        let is_quiet = self.random.percent(50);
        if is_quiet {
            self.reactor.advance(Duration::from_secs(130));
        }
        for peer in &mut self.raw {
            peer.check(&self.ledger);
        }
        for guest in &self.all_guests {
            guest.check(&self.ledger);
        }
        self.ledger.is_finishing.set(true);
        self.front.port.stop_listening().ignore();
        let finished = self.front.site.finish();
        self.ask();
        self.reactor.advance(Duration::from_secs(120));
        if finished.state() != State::Done {
            self.ledger.violation("the site does not finish".to_owned());
        }
        finished.ignore();
        self.raw.drain(..).for_each(RawPeer::close);
        self.all_guests.drain(..).for_each(Guest::leave);
        for server in self.upstreams.iter_mut().filter_map(Option::take) {
            server.finish();
        }
        self.reactor.advance(Duration::from_secs(200));
        let pending = self
            .waiting
            .iter()
            .filter(|end| end.state() != State::Done)
            .count();
        self.expect(pending == 0, || format!("{pending} requests have no end"));
        self.waiting.drain(..).for_each(Deferred::ignore);
        let in_flight: Vec<_> = self.proxy.upstreams();
        let is_idle = in_flight.iter().all(|upstream| upstream.in_flight == 0);
        self.expect(is_idle, || format!("the proxy still asks: {in_flight:?}"));
        let connections = self.front.site.connections();
        self.expect(connections == 0, || {
            format!("the site has {connections} connections")
        });
        let idle = self.client.idle_connections();
        self.expect(idle == 0, || format!("the client keeps {idle} connections"));
        for (member, times) in &*self.ledger.left.borrow() {
            // A client whose handshake has failed was never open.
            let is_right = times[0] <= 1 && times[1] <= 1;
            self.expect(is_right, || {
                format!("member {member} was closed {times:?} times")
            });
        }
        let rooms = self.ledger.rooms.borrow().clone();
        self.expect(rooms.values().all(Vec::is_empty), || {
            format!("in rooms: {rooms:?}")
        });
        let Self {
            reactor,
            ledger,
            front,
            proxy,
            client,
            ..
        } = self;
        drop((front, proxy, client));
        reactor.settle();
        let (left, live) = (reactor.leftovers(), ledger.live());
        if !left.is_empty() || live > 0 {
            ledger.violation(format!("left behind: {left}, {live} handlers"));
        }
    }

    fn expect(&self, is_right: bool, text: impl FnOnce() -> String) {
        if !is_right {
            self.ledger.violation(text());
        }
    }
}

/// The client of the proxy.
fn proxied(random: &Random) -> reactor_web::client::ClientBuilder {
    let client = Client::builder()
        .head_timeout(Duration::from_secs(6))
        .in_flight_per_origin(random.one_of(&[2, 100]));
    if random.percent(20) {
        client.http2_prior_knowledge()
    } else {
        client
    }
}

fn listen(reactor: &TestReactor, site: Site, port: u16) -> Server {
    let port = reactor.listen_tcp(("127.0.0.1", port), site.clone());
    Server {
        site,
        port: port.expect("it is free"),
    }
}

/// Runs a seed.
pub(crate) fn run(seed: u64, ledger: &Rc<Ledger>) {
    let mut world = World::new(seed, ledger);
    let actions: Vec<_> = ALL
        .into_iter()
        .filter(|_| world.random.percent(70))
        .collect();
    let actions = if actions.is_empty() {
        ALL.to_vec()
    } else {
        actions
    };
    let steps = world.random.number(10..45);
    for _ in 0..steps {
        world.step(&actions);
    }
    world.end();
}
