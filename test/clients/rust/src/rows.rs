//! The rows: what each means is in ../../README.md.
use crate::link::{connect, open, same, text, with_token, Link, ROW_TIME};
use rust_socketio::{Payload, TransportType};
use serde_json::{json, Value};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How a row went, if it did not fail.
pub enum Done {
    Works,
    NotOffered(&'static str),
}

pub type Row = fn() -> Result<Done, String>;

use TransportType::{Any, Polling, Websocket, WebsocketUpgrade};

const ASK_AGAIN: Duration = Duration::from_millis(100);
const ONE_BYTE_STRING: &str =
    "An event carries one byte string and nothing else, or no byte string at all.";

pub const ROWS: [(&str, Row); 17] = [
    ("websocket", || transport(Websocket, "websocket")),
    ("polling", || transport(Polling, "polling")),
    ("upgrade", upgrade),
    ("auth", auth),
    ("ack-to-server", ack_to_server),
    ("ack-to-client", || Ok(Done::NotOffered("An application cannot answer an event with an ack."))),
    ("binary-to-server", || Ok(Done::NotOffered(ONE_BYTE_STRING))),
    ("binary-to-client", || Ok(Done::NotOffered(ONE_BYTE_STRING))),
    ("binary-polling", || Ok(Done::NotOffered(ONE_BYTE_STRING))),
    ("rooms", rooms),
    ("rooms-binary", || Ok(Done::NotOffered(ONE_BYTE_STRING))),
    ("namespace", namespace),
    ("namespace-refused", namespace_refused),
    ("server-disconnect", server_disconnect),
    ("client-disconnect", client_disconnect),
    ("reconnect-after-close", || comes_back("close-me")),
    ("reconnect-after-cut", || comes_back("cut-me")),
];

fn transport(kind: TransportType, name: &str) -> Result<Done, String> {
    same(&connect("/", kind)?.ask("transport", Vec::<Value>::new())?, json!([[name, name]]))?;
    Ok(Done::Works)
}

fn upgrade() -> Result<Done, String> {
    let link = connect("/", WebsocketUpgrade)?;
    let end = Instant::now() + ROW_TIME;
    loop {
        let found = link.ask("transport", Vec::<Value>::new())?;
        let upgraded = same(&found, json!([["polling", "websocket"]]));
        if upgraded.is_ok() || Instant::now() > end {
            return upgraded.map(|_| Done::Works);
        }
        sleep(ASK_AGAIN); // the gateway limits events per second
    }
}

/// The application gets the message and the data in one text.
fn is_refused(namespace: &str, auth: Value, wanted: Value) -> Result<(), String> {
    let link = open(namespace, auth, Any)?;
    let Payload::Text(values) = link.next("error")? else {
        return Err("the error is no text".into());
    };
    let told = values[0].as_str().unwrap_or_default();
    let json = &told[told.find('{').unwrap_or(told.len())..];
    let error: Value = serde_json::from_str(json).map_err(|_| told.to_string())?;
    let found = json!([error["message"], error["data"]["code"]]);
    if found == wanted { Ok(()) } else { Err(format!("{found}, not {wanted}")) }
}

fn auth() -> Result<Done, String> {
    is_refused("/", json!({}), json!(["A token is required", "AUTH_REQUIRED"]))?;
    let wrong = json!({ "token": "wrong" });
    is_refused("/", wrong, json!(["The token is not valid here", "AUTH_INVALID"]))?;
    Ok(Done::Works)
}

fn ack_to_server() -> Result<Done, String> {
    let object = json!({ "list": [1, ["two"]], "deep": { "er": "x" } });
    let values = json!(["tëxt 😀", 42, -0.5, true, null, object]);
    let sent: Vec<Value> = values.as_array().cloned().unwrap_or_default();
    same(&connect("/", Any)?.ask("echo", sent)?, json!([values]))?;
    Ok(Done::Works)
}

fn rooms() -> Result<Done, String> {
    let link = connect("/", Any)?;
    let payload = json!({ "text": "tëxt 😀", "number": 42, "list": [true, null, { "x": "y" }] });
    link.ask("join", json!("mixed"))?;
    link.client.emit("say", vec![json!("mixed"), payload.clone()]).map_err(text)?;
    same(&link.next("heard")?, json!([payload]))?;
    // Were it told twice, the second one would be here before this answer.
    link.ask("echo", json!(1))?;
    if link.count("heard") > 0 { Err("heard twice".into()) } else { Ok(Done::Works) }
}

/// Each namespace has a connection of its own: this client cannot share one.
fn namespace() -> Result<Done, String> {
    let links = [("first", connect("/", Any)?), ("second", connect("/second", Any)?)];
    for (name, link) in links {
        same(&link.ask("echo", json!(name))?, json!([[name]]))?;
    }
    Ok(Done::Works)
}

fn namespace_refused() -> Result<Done, String> {
    is_refused("/refused", with_token()?, json!(["Nobody may enter", "CLOSED"]))?;
    is_refused("/nowhere", with_token()?, json!(["Invalid namespace", null]))?;
    Ok(Done::Works)
}

fn server_disconnect() -> Result<Done, String> {
    let link = connect("/", Websocket)?;
    link.client.emit("leave-me", json!(1)).map_err(text)?;
    link.next("close")?;
    answers(&connect("/", Websocket)?)
}

fn client_disconnect() -> Result<Done, String> {
    let link = connect("/", Websocket)?;
    link.client.disconnect().map_err(text)?;
    link.next("close")?;
    Ok(Done::Works)
}

fn comes_back(event: &str) -> Result<Done, String> {
    let link = connect("/", Websocket)?;
    link.client.emit(event, json!(1)).map_err(text)?;
    link.next("connect").map_err(|_| "the reconnection: nothing in time")?;
    answers(&link)
}

fn answers(link: &Link) -> Result<Done, String> {
    same(&link.ask("echo", json!(1))?, json!([[1]]))?;
    Ok(Done::Works)
}
