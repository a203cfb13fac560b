use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::{Router, response::Response, routing::any};
use tokio::net::TcpListener;
use tokio::sync::broadcast::{Receiver, Sender, channel};

type Room = Sender<Utf8Bytes>;

async fn guest(mut socket: WebSocket, room: Room, mut others: Receiver<Utf8Bytes>) {
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => drop(room.send(text)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            Ok(text) = others.recv() => {
                if socket.send(Message::Text(text)).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn enter(State(room): State<Room>, upgrade: WebSocketUpgrade) -> Response {
    let others = room.subscribe();
    upgrade.on_upgrade(|socket| guest(socket, room, others))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new()
        .route("/chat", any(enter))
        .with_state(channel(100).0);
    Ok(axum::serve(TcpListener::bind(std::env::var("ADDRESS")?).await?, app).await?)
}
