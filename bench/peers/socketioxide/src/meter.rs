//! What this process has used, in the shapes of `bench/rig/process.ts`.

use serde_json::{Value, json};

/// Now, in microseconds of CLOCK_MONOTONIC, which all processes of a machine share.
pub fn now_us() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn resources() -> libc::rusage {
    // SAFETY: zeroes are a valid value, and the pointer is valid for the call.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    }
}

/// Seconds of CPU of all threads: user, system.
pub fn cpu_s() -> (f64, f64) {
    let usage = resources();
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (seconds(usage.ru_utime), seconds(usage.ru_stime))
}

/// Seconds that threads of this process were ready to run while their core ran something else.
fn run_delay_s() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let delay = |path: std::path::PathBuf| -> Option<f64> {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').nth(1)?.parse().ok()
    };
    tasks.flatten().filter_map(|task| delay(task.path())).sum::<f64>() / 1e9
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    // SAFETY: asks for a constant of the system.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}

pub fn usage() -> Value {
    let (user, system) = cpu_s();
    json!({
        "cpuUserS": user,
        "cpuSysS": system,
        "runDelayS": run_delay_s(),
        "atUs": now_us(),
        "switches": resources().ru_nvcsw,
        "memory": { "rss": resident_bytes(), "heapUsed": 0, "external": 0, "arrayBuffers": 0 },
        "lag": { "p50Us": 0, "p99Us": 0, "maxUs": 0 },
    })
}
