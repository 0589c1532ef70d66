//! The loads of `bench/subjects/emit.ts`: as fast as the slowest reader allows, or on schedule.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::Subject;
use crate::meter::{cpu_s, now_us};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Saturate {
    shape: String,
    first_sequence: u64,
    payload_bytes: usize,
    frames_per_turn: u64,
    duration_ms: f64,
    window: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pace {
    shape: String,
    first_sequence: u64,
    payload_bytes: usize,
    rate_per_s: f64,
    duration_ms: f64,
    frames_per_turn: Option<u64>,
}

/// How many messages of a round may be emitted so far; the generator raises it.
pub struct Credit {
    allowed: AtomicU64,
    risen: Notify,
    port: AtomicU32,
}

impl Credit {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { allowed: AtomicU64::new(0), risen: Notify::new(), port: AtomicU32::new(0) })
    }

    /// The port on which credit is given.
    pub async fn listen(self: &Arc<Self>) -> u32 {
        let known = self.port.load(Ordering::Relaxed);
        if known > 0 {
            return known;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = u32::from(listener.local_addr().expect("its address").port());
        self.port.store(port, Ordering::Relaxed);
        let credit = self.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let credit = credit.clone();
                tokio::spawn(async move {
                    let mut bytes = [0; 4];
                    while stream.read_exact(&mut bytes).await.is_ok() {
                        let most = u64::from(u32::from_le_bytes(bytes));
                        credit.allowed.fetch_max(most, Ordering::Relaxed);
                        credit.risen.notify_one();
                    }
                });
            }
        });
        port
    }
}

/// Makes bodies of so many bytes, each with its marker (`bench/wire/marker.ts`).
struct Bodies {
    filler: String,
}

const MARKER_BYTES: usize = 2 + 9 + 1 + 15;

impl Bodies {
    fn new(bytes: usize) -> Self {
        let letters = "abcdefghijklmnopqrstuvwxyz0123456789_".chars();
        let filler = letters.cycle().take(bytes.saturating_sub(MARKER_BYTES)).collect();
        Self { filler }
    }

    fn make(&self, sequence: u64, due_us: f64) -> String {
        format!("~S{sequence:09}T{:015}{}", due_us as u64, self.filler)
    }
}

struct Meter {
    started_us: f64,
    cpu_s: f64,
}

impl Meter {
    fn start() -> Self {
        let (user, system) = cpu_s();
        Self { started_us: now_us(), cpu_s: user + system }
    }

    fn read(&self, sent: u64, last_sequence: u64, waited_ms: f64, late: (f64, f64)) -> Value {
        let (user, system) = cpu_s();
        json!({
            "broadcasts": sent,
            "lastSequence": last_sequence,
            "startedUs": self.started_us,
            "wallMs": (now_us() - self.started_us) / 1e3,
            "waitedMs": waited_ms,
            "cpuS": user + system - self.cpu_s,
            "lateUsMax": late.0,
            "lateUsMean": late.1,
        })
    }
}

/// Emits `framesPerTurn` broadcasts, lets everything else run, and so on, never above the credit.
pub async fn saturate(args: &Value, subject: &Subject, credit: &Credit) -> Value {
    let options = Saturate::deserialize(args).expect("the options of emit.ts");
    let bodies = Bodies::new(options.payload_bytes);
    credit.allowed.store(options.window, Ordering::Relaxed);
    let meter = Meter::start();
    let end_us = meter.started_us + options.duration_ms * 1e3;
    let mut sent = 0;
    let mut waited_us = 0.0;
    loop {
        let now = now_us();
        if now >= end_us {
            break;
        }
        if sent + options.frames_per_turn > credit.allowed.load(Ordering::Relaxed) {
            // A reader that lost messages gives no more credit: the time ends the round all the same.
            let left = Duration::from_micros((end_us - now) as u64 + 1);
            let _ = timeout(left, credit.risen.notified()).await;
            waited_us += now_us() - now;
            continue;
        }
        for _ in 0..options.frames_per_turn {
            let body = bodies.make(options.first_sequence + sent, now);
            subject.emit(&options.shape, &body).await;
            sent += 1;
        }
        yield_now().await;
    }
    let last = (options.first_sequence + sent).saturating_sub(1);
    meter.read(sent, last, waited_us / 1e3, (0.0, 0.0))
}

/// Emits every message when it is due, late ones at once, each stamped with its scheduled time.
pub async fn pace(args: &Value, subject: &Subject) -> Value {
    let options = Pace::deserialize(args).expect("the options of emit.ts");
    let bodies = Bodies::new(options.payload_bytes);
    let total = ((options.rate_per_s * options.duration_ms / 1e3) as u64).max(1);
    let gap_us = 1e6 / options.rate_per_s;
    let batch = options.frames_per_turn.unwrap_or(1);
    let most_a_turn = options.frames_per_turn.unwrap_or(total);
    let meter = Meter::start();
    let (mut sent, mut late_sum, mut late_max) = (0, 0.0, 0.0_f64);
    while sent < total {
        let now = now_us();
        let most = total.min(sent + most_a_turn);
        while sent < most {
            let due = meter.started_us + (sent - sent % batch) as f64 * gap_us;
            if due > now {
                break;
            }
            late_sum += now - due;
            late_max = late_max.max(now - due);
            let body = bodies.make(options.first_sequence + sent, due);
            subject.emit(&options.shape, &body).await;
            sent += 1;
        }
        if sent == most { yield_now().await } else { sleep(Duration::from_millis(1)).await }
    }
    let last = options.first_sequence + total - 1;
    meter.read(sent, last, 0.0, (late_max, late_sum / sent as f64))
}
