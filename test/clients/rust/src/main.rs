//! The program of the Rust client: see ../../README.md.
mod link;
mod rows;

use rows::Done;
use serde_json::json;
use std::process::Command;

const LOCK: &str = include_str!("../Cargo.lock");

/// Runs all rows, or those named.
fn main() {
    let only: Vec<String> = std::env::args().skip(1).collect();
    say(&[("client", "rust_socketio"), ("version", version()), ("runtime", &runtime())]);
    for (name, run) in rows::ROWS {
        if !only.is_empty() && !only.iter().any(|row| row == name) {
            continue;
        }
        match run() {
            Ok(Done::Works) => say(&[("row", name), ("result", "works")]),
            Ok(Done::NotOffered(why)) => {
                say(&[("row", name), ("result", "not offered"), ("detail", why)])
            }
            Err(why) => say(&[("row", name), ("result", "fails"), ("detail", &why)]),
        }
    }
    std::process::exit(0); // the client's threads go on
}

fn version() -> &'static str {
    let entry = LOCK.split_once("name = \"rust_socketio\"\nversion = \"").map(|(_, rest)| rest);
    entry.and_then(|rest| rest.split('"').next()).unwrap_or("unknown")
}

fn runtime() -> String {
    let output = Command::new("rustc").arg("--version").output().map(|done| done.stdout);
    let text = String::from_utf8(output.unwrap_or_default()).unwrap_or_default();
    format!("Rust {}", text.split(' ').nth(1).unwrap_or("unknown"))
}

/// Prints keys and values as one line of JSON, in this order.
fn say(pairs: &[(&str, &str)]) {
    let pairs: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{}:{}", json!(key), json!(value))).collect();
    println!("{{{}}}", pairs.join(","));
}
