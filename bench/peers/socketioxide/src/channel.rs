//! The message channel that Node.js opens to a child process: lines of JSON on a descriptor that
//! `NODE_CHANNEL_FD` names. What is said there is what `bench/rig/rpc.ts` says.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::mpsc;

/// A method that the conductor calls; it is to be answered once.
pub struct Call {
    pub method: String,
    pub args: Value,
    id: Value,
    out: Arc<Mutex<UnixStream>>,
}

impl Call {
    pub fn answer(&self, result: Value) {
        self.write(json!({ "id": self.id, "result": result }));
    }

    pub fn fail(&self, why: &str) {
        self.write(json!({ "id": self.id, "error": why }));
    }

    fn write(&self, message: Value) {
        // A conductor that is gone ends this process, as below.
        let _ = self.out.lock().unwrap().write_all(format!("{message}\n").as_bytes());
    }
}

pub struct Channel {
    calls: mpsc::UnboundedReceiver<Call>,
}

impl Channel {
    /// The next call; nothing when the conductor is gone.
    pub async fn next(&mut self) -> Option<Call> {
        self.calls.recv().await
    }
}

/// Opens the channel. Panics where there is none: this program is started by the benchmark only.
pub fn open() -> Channel {
    let fd = std::env::var("NODE_CHANNEL_FD").expect("started by the benchmark");
    // SAFETY: the descriptor was opened for this process, and nothing else here uses it.
    let stream = unsafe { UnixStream::from_raw_fd(fd.parse().expect("a descriptor")) };
    stream.set_nonblocking(false).expect("a socket");
    let out = Arc::new(Mutex::new(stream.try_clone().expect("a second handle")));
    let (sender, calls) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            let Some(method) = message["method"].as_str() else { continue };
            let call = Call {
                method: method.to_owned(),
                args: message["args"].clone(),
                id: message["id"].clone(),
                out: out.clone(),
            };
            if sender.send(call).is_err() {
                return;
            }
        }
    });
    Channel { calls }
}
