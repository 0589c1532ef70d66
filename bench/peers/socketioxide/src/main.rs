//! socketioxide as a subject of the benchmark: the rooms, the echo and the broadcasts that
//! `bench/subjects/socket-io.ts` gives to the others, commanded as `bench/subjects/host.ts` is.

mod channel;
mod emit;
mod meter;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::serve::ListenerExt;
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::{ParserConfig, SocketIo};

/// Packets that a connection may have waiting: as many as a saturated round lets a server run ahead
/// of its readers, and more.
const BUFFER_PACKETS: usize = 8192;

/// The default of Socket.IO.
const HEARTBEAT_MS: u64 = 25_000;

struct Subject {
    io: SocketIo,
    sender: Mutex<Option<SocketRef>>,
    connections: AtomicI64,
}

impl Subject {
    /// Sends event `m` to the recipients of a shape. What does not fit a buffer, the generator counts.
    async fn emit(&self, shape: &str, body: &str) {
        let sender = match shape {
            "sender" => self.sender.lock().unwrap().clone(),
            _ => None,
        };
        let sent = match shape {
            "room" => self.io.to("r").emit("m", body).await,
            "except" => self.io.to("r").except("x").emit("m", body).await,
            "union" => self.io.to(["a", "b"]).emit("m", body).await,
            "sender" => match sender {
                Some(socket) => socket.to("r").emit("m", body).await,
                None => Ok(()),
            },
            _ => self.io.emit("m", body).await,
        };
        drop(sent);
    }
}

fn connect(subject: &Arc<Subject>, socket: SocketRef) {
    subject.connections.fetch_add(1, Ordering::Relaxed);
    let query = socket.req_parts().uri.query().unwrap_or("").to_owned();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if name == "rooms" && !value.is_empty() {
            socket.join(value.split('.').map(String::from).collect::<Vec<_>>());
        } else if name == "role" && value == "sender" {
            *subject.sender.lock().unwrap() = Some(socket.clone());
        }
    }
    socket.on("e", async |ack: AckSender, Data(body): Data<Value>| {
        let _ = ack.send(&body); // A connection that is gone needs no answer.
    });
    let gone = subject.clone();
    socket.on_disconnect(async move || {
        gone.connections.fetch_sub(1, Ordering::Relaxed);
    });
}

/// Starts the server on a port of its own.
async fn start(options: &Value) -> (Arc<Subject>, u16) {
    let parser = match options["codec"].as_str() {
        Some("msgpack") => SocketIo::builder().with_parser(ParserConfig::msgpack()),
        _ => SocketIo::builder().with_parser(ParserConfig::common()),
    };
    let heartbeat = Duration::from_millis(options["pingIntervalMs"].as_u64().unwrap_or(HEARTBEAT_MS));
    let (layer, io) = parser.max_buffer_size(BUFFER_PACKETS).ping_interval(heartbeat).build_layer();
    let subject = Arc::new(Subject {
        io: io.clone(),
        sender: Mutex::new(None),
        connections: AtomicI64::new(0),
    });
    let own = subject.clone();
    io.ns("/", async move |socket: SocketRef| connect(&own, socket));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true); // As the other subjects do.
    });
    let app = axum::Router::new().layer(layer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (subject, port)
}

/// The version that the lock file names.
fn version_of(name: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let at = lock.find(&format!("name = \"{name}\"\nversion = \"")).unwrap_or(0);
    lock[at..].split('"').nth(3).unwrap_or("unknown").to_owned()
}

fn about() -> Value {
    let workers = std::thread::available_parallelism().map_or(0, |n| n.get());
    json!({
        "socketioxide": version_of("socketioxide"),
        "axum": version_of("axum"),
        "tokio": format!("{}, workers {workers}", version_of("tokio")),
        "buffer": format!("{BUFFER_PACKETS} packets a connection"),
    })
}

#[tokio::main]
async fn main() {
    let mut channel = channel::open();
    let credit = emit::Credit::new();
    let mut started: Option<Arc<Subject>> = None;
    while let Some(call) = channel.next().await {
        if call.method == "start" {
            let (subject, port) = start(&call.args).await;
            started = Some(subject);
            call.answer(json!({ "port": port, "about": about() }));
            continue;
        }
        let Some(subject) = started.clone() else {
            call.fail("the subject has not been started");
            continue;
        };
        let credit = credit.clone();
        // On the workers, where what it calls runs too.
        tokio::spawn(async move {
            match call.method.as_str() {
                "credit" => call.answer(json!(credit.listen().await)),
                "saturate" => call.answer(emit::saturate(&call.args, &subject, &credit).await),
                "pace" => call.answer(emit::pace(&call.args, &subject).await),
                "connections" => call.answer(json!(subject.connections.load(Ordering::Relaxed))),
                "usage" => call.answer(meter::usage()),
                _ => call.fail("there is no such method"),
            }
        });
    }
}
