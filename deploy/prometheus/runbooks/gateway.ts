import {
  ask,
  CLOSES_BY_REASON,
  CONNECTIONS,
  DOCTOR,
  LOOP_LAG,
  READY,
  type Runbooks,
  readLog,
  readMetrics,
} from "./runbook.ts";

const UP = ask("which instances answer", 'up{job="sluice"}');
const STARTS = ask("when each started", 'process_start_time_seconds{job="sluice"}');
const MEMORY = ask("resident memory", 'process_resident_memory_bytes{job="sluice"}');
const DELIVERIES = ask(
  "deliveries by instance",
  'sum by (instance) (rate(sluice_deliveries_total{job="sluice"}[5m]))',
);
const LAST_LINES = "$LOG | tail -n 50";

export const GATEWAY: Runbooks = {
  SluiceDown: {
    users:
      "Clients of this instance lost their connection and reconnect to the other instances within seconds. If it was the only instance, no client is connected.",
    queries: [UP, CONNECTIONS, MEMORY],
    commands: [
      "curl -si $API/healthz",
      LAST_LINES,
      "dmesg -T | grep -i -E 'oom|killed process' | tail",
    ],
    causes: [
      "The process ended. Its last log lines say why. Exit code 78 is a wrong setting, 1 a failed start.",
      "It was killed because of its memory. The query shows growing memory, and `dmesg` has a line about it.",
      "The process runs, but its event loop is blocked. The platform sees it as up, and it answers no request.",
      "Prometheus cannot reach it: the network or the port has changed (`api.port`, `api.host`).",
    ],
    mitigate: [
      "Restart it, or let the platform restart it. `npx sluice doctor` says what prevents a start.",
      "Blocked event loop: take a CPU profile if you can, then restart.",
      "Killed because of memory: lower `overload.memoryBytesMax`, so that it sheds load earlier.",
    ],
    over: "`up` is 1, and clients connect to it again.",
  },
  SluiceAbsent: {
    users: "Perhaps nothing: the gateways run, but nothing monitors them. Or no gateway runs.",
    queries: [ask("targets of any job", "count by (job) (up)"), UP, CONNECTIONS],
    commands: [
      "curl -s $PROMETHEUS/api/v1/targets | jq '.data.activeTargets[] | {job: .labels.job, health, lastError}'",
      READY,
    ],
    causes: [
      "The scrape job is not named sluice.",
      "Service discovery finds no target: a label, a namespace or DNS.",
      "Prometheus was reloaded with another configuration.",
    ],
    mitigate: [
      "Name the job sluice, or change `job` in the rules.",
      "Fix the service discovery. Until then, query a gateway with curl.",
    ],
    over: '`up{job="sluice"}` has a series for each instance.',
  },
  SluiceRestarting: {
    users: "Clients of this instance lose their connection at each restart, and reconnect.",
    queries: [STARTS, MEMORY, LOOP_LAG],
    commands: [LAST_LINES, DOCTOR, "systemctl status sluice || kubectl describe pod -l app=sluice"],
    causes: [
      "It is killed because of its memory.",
      "A handler throws, and `handlers.onError` is exit.",
      "The platform uses the wrong probe for liveness. `/readyz` is 503 while the gateway drains or sheds load; `/healthz` is the liveness probe.",
      "A deploy rolls out again and again.",
    ],
    mitigate: [
      "Memory: lower `overload.memoryBytesMax`, or give the process more memory.",
      "Handlers: set `handlers.onError` to log, and fix what the log names.",
      "Use `/healthz` for liveness, `/readyz` for readiness only.",
    ],
    over: "There was no start for fifteen minutes.",
  },
  SluiceEventLoopBusy: {
    users: "Nothing yet. Soon answers become slower, and there is no spare capacity for a burst.",
    queries: [
      ask("how busy each loop is", 'sluice_event_loop_utilization_ratio{job="sluice"}'),
      DELIVERIES,
      ask(
        "packets in, by type",
        'sum by (type) (rate(sluice_packets_received_total{job="sluice"}[5m]))',
      ),
    ],
    commands: [readMetrics("sluice_event_loop_"), DOCTOR],
    causes: [
      "More clients, events or recipients than one core can serve. Compare with a week ago.",
      "Handlers use much CPU.",
      "Only one instance is busy: the load balancer does not distribute connections.",
    ],
    mitigate: [
      "Add instances, or `cluster.workers` if the machine has free cores.",
      "Move work from handlers to a function.",
      "Send less: fewer recipients, `volatile`, several messages in one event.",
    ],
    over: "The event loop is busy for less than 0.8 of the time at the busiest time of the day.",
  },
  SluiceEventLoopLagging: {
    users: "Every answer of this instance is late by 0.1 s or more, and so are pings.",
    queries: [
      LOOP_LAG,
      ask("how busy the loops are", 'sluice_event_loop_utilization_ratio{job="sluice"}'),
      ask(
        "time in garbage collection",
        'sum by (instance, kind) (rate(nodejs_gc_duration_seconds_sum{job="sluice"}[5m]))',
      ),
    ],
    commands: [readLog("handlers"), "kill -USR1 $PID   # then a CPU profile over node --inspect"],
    causes: [
      "A handler computes for a long time at once, or makes a synchronous call.",
      "Very large packets, or broadcasts that name very many single recipients.",
      "Garbage collection: the heap is nearly full.",
      "Other processes on the same cores.",
    ],
    mitigate: [
      "Move this work to a function or to a worker thread.",
      "Lower `socket.packetBytesMax` if packets are too large.",
      "Give the process a core of its own.",
    ],
    over: "The 99th percentile is below 0.1 s for ten minutes.",
  },
  SluiceFileDescriptorsLow: {
    users: "Nothing yet. At the limit, no client can connect.",
    queries: [
      ask("descriptors in use", 'process_open_fds{job="sluice"} / process_max_fds{job="sluice"}'),
      CONNECTIONS,
      ask(
        "how often accepting was paused",
        'increase(sluice_accept_pauses_total{job="sluice"}[15m])',
      ),
    ],
    commands: ["grep 'open files' /proc/$PID/limits", DOCTOR],
    causes: [
      "The limit is the system's default: 1,024 or 4,096.",
      "There are more connections than planned.",
      "Other connections of the process: a handler leaks them.",
    ],
    mitigate: [
      "Raise the limit (`LimitNOFILE=1048576`, `ulimits.nofile`) and restart one instance after the other.",
      "Until then, set `limits.connectionsMax` below the limit. Clients are then refused with a reason.",
    ],
    over: "Less than 80 % of the descriptors are in use.",
  },
  SluiceMemoryGrowing: {
    users: "Nothing yet. In hours or days the gateway sheds load or is killed.",
    queries: [
      MEMORY,
      ask("the heap of JavaScript", 'nodejs_heap_size_used_bytes{job="sluice"}'),
      CONNECTIONS,
    ],
    commands: [
      readMetrics("nodejs_"),
      "kill -USR1 $PID   # then a heap snapshot over node --inspect, and one an hour later",
    ],
    causes: [
      "Handlers keep something for every client: a map that is never cleared, or listeners that are added again and again.",
      "`socket.data` grows.",
      "Queues that may grow up to their limits: unsent bytes, open calls, recovery. The dashboard shows each.",
    ],
    mitigate: [
      "Restart one instance after the other. A drain closes connections in waves, so that clients reconnect to the others.",
      "Compare two heap snapshots, and fix what grew.",
    ],
    over: "Memory has not grown for six hours with the same number of connections.",
  },
  SluiceDrainSlow: {
    users: "Clients of this instance are still connected. It takes no new ones.",
    queries: [
      ask("connections left to close", 'sluice_drain_remaining_connections{job="sluice"}'),
      ask("instances that stop", 'sluice_draining{job="sluice"}'),
      ask("calls under way", 'sluice_upstream_queued_events{job="sluice"}'),
    ],
    commands: [READY, LAST_LINES],
    causes: [
      "`socket.drainMs` is set to that long.",
      "The platform has sent SIGTERM, and does not kill the process.",
      "Several workers stop one after the other.",
    ],
    mitigate: [
      "Wait, if the value of the first query falls.",
      "Send a second SIGTERM to end it at once. Its clients reconnect to other instances.",
      "Make the platform's grace period longer than `socket.drainMs` + `upstream.drainMs` + 2 s.",
    ],
    over: "The process has ended, and `sluice_draining` has no series for it.",
  },
};

export const SOCKET: Runbooks = {
  SluiceConnectionsFell: {
    users:
      "More than 30 % of the connections were lost. Most clients reconnect by themselves, if they can.",
    queries: [CLOSES_BY_REASON, CONNECTIONS, UP],
    commands: [READY, readLog("socket"), DOCTOR],
    causes: [
      "`connection_lost` or `ping_timeout` on all instances: the load balancer, a proxy, the network, or DNS.",
      "One instance is missing in the second query: it was killed, or is unreachable.",
      "`overload`, `slow_consumer`, `bad_packet`: the gateway closed them. See the alerts for these.",
      "A release of the application that does not work with its clients.",
    ],
    mitigate: [
      "First check the path of the clients: connect from outside, then without the load balancer.",
      "All clients come back at once: watch `SluiceReconnectStorm`.",
      "If a release is the cause: roll it back.",
    ],
    over: "The number of connections, and of closes by reason, is as before.",
  },
  SluiceReconnectStorm: {
    users: "Connecting takes longer. Some clients have to wait (429 or 503 with Retry-After).",
    queries: [
      ask(
        "new connections a second",
        'sum(rate(sluice_connections_opened_total{job="sluice"}[1m]))',
      ),
      ask(
        "handshakes refused by reason",
        'sum by (reason) (rate(sluice_handshakes_refused_total{job="sluice"}[1m]))',
      ),
      LOOP_LAG,
    ],
    commands: [READY, readLog("door"), "sysctl net.core.somaxconn"],
    causes: [
      "Many clients lost their connection at once. Look at the closes five minutes earlier.",
      "The drain of a deploy was too short.",
      "Clients reconnect in a loop, because the application disconnects them at once.",
      "An event with many visitors. This is no fault.",
    ],
    mitigate: [
      "Wait a minute: clients spread their attempts.",
      "If event loops lag, lower `limits.handshakesPerSecond`. Connected clients are then served first.",
      "Raise `socket.drainMs` before the next deploy.",
    ],
    over: "The rate of new connections is back to normal.",
  },
  SluiceAbnormalCloses: {
    users: "Some clients lose their connection again and again.",
    queries: [
      CLOSES_BY_REASON,
      ask(
        "packets refused, by code",
        'sum by (reason) (rate(sluice_codec_refused_total{job="sluice"}[5m]))',
      ),
      LOOP_LAG,
    ],
    commands: [
      readLog("socket"),
      "$LOG | jq -c 'select(.reason != null)' | tail   # at log.level debug every close",
    ],
    causes: [
      "`bad_packet`, `bad_frame`, `stray_packet`: a broken client version, or an attack.",
      "`ping_timeout`: phones that sleep, a proxy that drops idle connections, or a gateway that lags.",
      "`transport_error`: long-polling without sticky sessions.",
      "`rate_exceeded`, `acks_exceeded`, `upstream_full`: clients over a limit.",
    ],
    mitigate: [
      "Look the reason up in docs/closes.md.",
      "Proxy: set its idle timeout to more than `socket.pingIntervalMs`.",
      "Several instances with long-polling: use sticky sessions.",
    ],
    over: "Less than 10 % of the closes are abnormal.",
  },
  SluiceSlowConsumers: {
    users:
      "Clients on slow networks lose their connection and reconnect. Without recovery they miss messages.",
    queries: [
      ask(
        "closed because they read too slowly",
        'sum by (instance) (increase(sluice_slow_consumers_total{job="sluice"}[5m]))',
      ),
      ask("the fullest connection", 'sluice_send_buffer_max_bytes{job="sluice"}'),
      ask(
        "bytes sent a second",
        'sum by (instance) (rate(sluice_sent_bytes_total{job="sluice"}[5m]))',
      ),
    ],
    commands: [readMetrics("sluice_send_buffer_"), readMetrics("sluice_pressure_")],
    causes: [
      "These clients get more than they can read: large messages, or very many.",
      "A slow network: many clients of one provider.",
      "Clients whose page or app is suspended and does not read.",
    ],
    mitigate: [
      "Send fewer or smaller messages. Send messages that are soon outdated as `volatile`.",
      "Raise `socket.bufferBytesMax` (it costs memory per slow client) or `socket.stallMsMax`.",
      "Turn recovery on (`recovery.windowMs`). Clients that come back then get what they missed.",
    ],
    over: "Less than 1 % of the connections are closed for this reason in five minutes.",
  },
  SluiceHandshakesRefused: {
    users: "Clients cannot connect.",
    queries: [
      ask(
        "refusals by reason",
        'sum by (reason) (rate(sluice_handshakes_refused_total{job="sluice"}[5m]))',
      ),
      ask(
        "new connections a second",
        'sum(rate(sluice_connections_opened_total{job="sluice"}[5m]))',
      ),
      ask("stages of load shedding", 'sluice_overload_stage{job="sluice"}'),
    ],
    commands: [
      readLog("door"),
      'curl -si "$API/socket.io/?EIO=4&transport=polling" -H "origin: https://app.example"',
    ],
    causes: [
      "`origin_forbidden`: the page's host is not in `socket.origins`, often after it has moved.",
      "`unknown_session`: long-polling without sticky sessions.",
      "`limit_address_handshakes`, `limit_address_connections`: `socket.trustProxy` is not set behind a proxy, so all clients share one address.",
      "`overloaded`, `draining`: see the alerts about load and drains.",
      "An attack: many refusals, and the usual number of connections.",
    ],
    mitigate: [
      "Add the origin to `socket.origins`, set `socket.trustProxy`, or use sticky sessions.",
      "Attack: block it in front of the gateway. Refusals cost the gateway little.",
    ],
    over: "More handshakes succeed than are refused.",
  },
};
