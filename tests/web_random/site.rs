//! The app that all servers of a run serve.

use std::rc::Rc;
use std::time::Duration;

use deferred::{Result, sleep};
use http::StatusCode;
use reactor_web::ws::{CloseEvent, Rooms, WebSocket, WebSocketProtocol};
use reactor_web::{App, Body, BodyWriter, HttpError, Limits, Request, Response};

use crate::ledger::{Ledger, Live, content};

/// The app, in which each request has a number that its answer repeats.
pub(crate) fn app(ledger: &Rc<Ledger>, limits: Limits, name: &'static str) -> App {
    let begin = |ledger: &Rc<Ledger>| {
        let ledger = Rc::clone(ledger);
        move |req: &Request| -> Result<(u64, Live)> {
            let number = req.param_as("n")?;
            Ok((number, ledger.begin(number)))
        }
    };
    let (now, later, stream, echo) = (begin(ledger), begin(ledger), begin(ledger), begin(ledger));
    let (read, never, fails, cut) = (begin(ledger), begin(ledger), begin(ledger), begin(ledger));
    let (rooms, ledger) = (Rooms::new(), Rc::clone(ledger));
    let ask = move |req: &Request| -> Result<Response> {
        let member = Member {
            name: format!("{name}/{}", req.param("room")?),
            number: req.param_as("n")?,
            rooms: rooms.clone(),
            ledger: Rc::clone(&ledger),
        };
        req.websocket(member)
    };
    App::new()
        .limits(limits)
        .get("/now/{n}/{length}", move |req: Request| {
            let (number, _live) = now(&req)?;
            Ok(answer(number, content(number, req.param_as("length")?)))
        })
        .get("/later/{n}/{ms}", move |req: Request| {
            let begun = later(&req);
            async move {
                let (number, _live) = begun?;
                sleep(req.reactor(), Duration::from_millis(req.param_as("ms")?)).await?;
                Ok(answer(number, content(number, 40)))
            }
        })
        .get("/stream/{n}/{pieces}/{length}/{ms}", move |req: Request| {
            let (number, live) = stream(&req)?;
            let (writer, body) = Body::channel();
            let pieces: usize = req.param_as("pieces")?;
            let length: usize = req.param_as("length")?;
            let wait = Duration::from_millis(req.param_as("ms")?);
            let reactor = req.reactor().clone();
            let writing = async move {
                let _live = live;
                let whole = content(number, pieces * length);
                for piece in whole.chunks(length.max(1)) {
                    writer.write(piece.to_vec()).await?;
                    sleep(&reactor, wait).await?;
                }
                Ok(())
            };
            // It errs when the client is gone.
            req.reactor().spawn(writing).ignore();
            Ok(answer(number, body))
        })
        .post("/echo/{n}", move |req: Request| {
            let (number, live) = echo(&req)?;
            let (writer, body) = Body::channel();
            let upload = req.take_body();
            req.reactor().spawn(copy(upload, writer, live)).ignore();
            Ok(answer(number, body))
        })
        .post("/read/{n}", move |req: Request| {
            let begun = read(&req);
            async move {
                let (number, _live) = begun?;
                let bytes = req.bytes().await?;
                Ok(answer(number, Body::from(bytes)))
            }
        })
        .get("/never/{n}", move |req: Request| {
            let begun = never(&req);
            async move {
                let (number, _live) = begun?;
                sleep(req.reactor(), Duration::from_secs(3600)).await?;
                Ok(answer(number, Body::empty()))
            }
        })
        .get("/fail/{n}", move |req: Request| {
            let (_number, _live) = fails(&req)?;
            // Of a failure of another type, each run would print the story.
            Err::<(), _>(HttpError::new(StatusCode::INTERNAL_SERVER_ERROR).into())
        })
        .get("/cut/{n}", move |req: Request| {
            let (number, _live) = cut(&req)?;
            let (writer, body) = Body::channel();
            writer.write(content(number, 100)).ignore();
            writer.abort(deferred::Failure::msg("this body breaks off"));
            Ok(answer(number, body))
        })
        .get("/rooms/{room}/{n}", move |req: Request| ask(&req))
}

fn answer(number: u64, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert("x-n", number.into());
    response
}

/// Writes an upload back, as it comes.
async fn copy(mut upload: Body, writer: BodyWriter, _live: Live) -> Result<()> {
    while let Some(piece) = upload.next().await {
        match piece {
            Ok(piece) => writer.write(piece).await?,
            Err(failure) => {
                writer.abort(failure);
                break;
            }
        }
    }
    Ok(())
}

/// The server's side of a member of a room.
struct Member {
    name: String,
    number: u64,
    rooms: Rooms,
    ledger: Rc<Ledger>,
}

impl WebSocketProtocol for Member {
    fn on_open(&mut self, ws: &WebSocket) -> Result<()> {
        self.rooms.join(&self.name, ws);
        let mut rooms = self.ledger.rooms.borrow_mut();
        rooms
            .entry(self.name.clone())
            .or_default()
            .push(self.number);
        self.ledger.count("a member has joined");
        Ok(())
    }

    fn on_text(&mut self, _: &WebSocket, text: &str) -> Result<()> {
        let message = format!("{} {text}", self.number);
        let members = self.ledger.rooms.borrow()[&self.name].clone();
        for member in members {
            let mut expected = self.ledger.expected.borrow_mut();
            expected.entry(member).or_default().push(message.clone());
        }
        self.rooms.broadcast(&self.name, message.as_str());
        Ok(())
    }

    fn on_close(&mut self, _: &WebSocket, _: &CloseEvent) {
        let mut rooms = self.ledger.rooms.borrow_mut();
        if let Some(members) = rooms.get_mut(&self.name) {
            members.retain(|member| *member != self.number);
        }
        self.ledger
            .left
            .borrow_mut()
            .entry(self.number)
            .or_default()[0] += 1;
    }
}
