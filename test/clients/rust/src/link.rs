//! Opens the connections of one row, and waits for what comes.
use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Event, Payload, TransportType};
use serde_json::{json, Value};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a row waits for anything.
pub const ROW_TIME: Duration = Duration::from_secs(10);

/// What a connection has told its application.
pub type Told = (String, Payload);

/// One connection to a namespace, and what it tells.
pub struct Link {
    pub client: Client,
    told: Receiver<Told>,
}

/// Starts a connection to a namespace. It is not accepted yet.
pub fn open(namespace: &str, auth: Value, transport: TransportType) -> Result<Link, String> {
    let url = std::env::var("SLUICE_URL").map_err(text)?;
    let (tell, told) = channel();
    let mut builder = ClientBuilder::new(url)
        .namespace(namespace)
        .auth(auth)
        .transport_type(transport)
        .reconnect_delay(100, 1000);
    for event in [Event::Connect, Event::Close, Event::Error] {
        let tell: Sender<Told> = tell.clone();
        let name = event.to_string();
        // The program may have stopped to listen: then nobody needs it.
        builder = builder.on(event, move |payload, _| drop(tell.send((name.clone(), payload))));
    }
    let tell = Mutex::new(tell);
    let client = builder
        .on_any(move |event, payload, _| {
            let _ = tell.lock().map(|tell| tell.send((event.to_string(), payload)));
        })
        .connect()
        .map_err(text)?;
    Ok(Link { client, told })
}

/// Opens a connection with the token, and waits until it is accepted.
pub fn connect(namespace: &str, transport: TransportType) -> Result<Link, String> {
    let link = open(namespace, with_token()?, transport)?;
    link.next("connect")?;
    Ok(link)
}

pub fn with_token() -> Result<Value, String> {
    Ok(json!({ "token": std::env::var("SLUICE_TOKEN").map_err(text)? }))
}

impl Link {
    /// Returns the next values of an event; leaves out other events.
    pub fn next(&self, event: &str) -> Result<Payload, String> {
        let end = Instant::now() + ROW_TIME;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.told.recv_timeout(left) {
                Ok((name, payload)) if name == event => return Ok(payload),
                Ok(_) => {}
                Err(_) => return Err(format!("{event}: nothing in time")),
            }
        }
    }

    /// Counts how often an event has come since the last one that was read.
    pub fn count(&self, event: &str) -> usize {
        self.told.try_iter().filter(|(name, _)| name == event).count()
    }

    /// Emits an event, and returns the values of its ack.
    pub fn ask(&self, event: &str, payload: impl Into<Payload>) -> Result<Payload, String> {
        let (tell, acked) = channel();
        let tell = move |payload, _| drop(tell.send(payload));
        self.client.emit_with_ack(event, payload, ROW_TIME, tell).map_err(text)?;
        acked.recv_timeout(ROW_TIME).map_err(|_| format!("the ack of {event}: nothing in time"))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.client.disconnect(); // it may be closed already
    }
}

pub fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Compares the values that came with those that must come.
pub fn same(found: &Payload, wanted: Value) -> Result<(), String> {
    match found {
        Payload::Text(values) if json!(values) == wanted => Ok(()),
        Payload::Text(values) => Err(format!("{}, not {wanted}", json!(values))),
        other => Err(format!("{other:?}, not {wanted}")),
    }
}
