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
      "Its clients were cut off and reconnect to the other instances within seconds. If it was the only one, nobody is connected.",
    queries: [UP, CONNECTIONS, MEMORY],
    commands: [
      "curl -si $API/healthz",
      LAST_LINES,
      "dmesg -T | grep -i -E 'oom|killed process' | tail",
    ],
    causes: [
      "The process ended: its last lines say why. Exit 78 is a setting, 1 a start that failed.",
      "It was killed for its memory: the query shows it growing before, and `dmesg` says so.",
      "It lives and its event loop stands still: it is up for the platform and answers nobody.",
      "Prometheus cannot reach it: a network or a port (`api.port`, `api.host`) that changed.",
    ],
    mitigate: [
      "Start it again, or have the platform do so; `npx sluice doctor` names what keeps it from starting.",
      "An event loop that stands still: take a CPU profile if you can, then restart.",
      "Killed for memory: lower `overload.memoryBytesMax`, so that it sheds load before.",
    ],
    over: "`up` is 1, and the connections come back to it.",
  },
  SluiceAbsent: {
    users: "Perhaps nothing: nobody watches. Or no gateway runs at all.",
    queries: [ask("targets of any job", "count by (job) (up)"), UP, CONNECTIONS],
    commands: [
      "curl -s $PROMETHEUS/api/v1/targets | jq '.data.activeTargets[] | {job: .labels.job, health, lastError}'",
      READY,
    ],
    causes: [
      "The scrape job has another name than sluice.",
      "Service discovery finds no target: a label, a namespace or DNS.",
      "Prometheus was reloaded with another configuration.",
    ],
    mitigate: [
      "Name the job sluice, or change `job` in the rules.",
      "Mend the service discovery; ask a gateway by hand meanwhile.",
    ],
    over: '`up{job="sluice"}` has a series for each instance.',
  },
  SluiceRestarting: {
    users: "Clients of that instance are cut off at each restart and reconnect.",
    queries: [STARTS, MEMORY, LOOP_LAG],
    commands: [LAST_LINES, DOCTOR, "systemctl status sluice || kubectl describe pod -l app=sluice"],
    causes: [
      "It is killed for its memory.",
      "A handler fails and `handlers.onError` is exit.",
      "A probe of the platform is too strict: `/readyz` is 503 while it drains or sheds load, `/healthz` is what says that it lives.",
      "A deploy that rolls again and again.",
    ],
    mitigate: [
      "Memory: lower `overload.memoryBytesMax`, or give it more.",
      "Handlers: set `handlers.onError` to log, and mend what the log names.",
      "Use `/healthz` for liveness, `/readyz` for readiness only.",
    ],
    over: "No start for fifteen minutes.",
  },
  SluiceEventLoopBusy: {
    users: "Nothing yet. Answers become slower soon, and a burst has no room.",
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
      "More clients, events or recipients than one core carries: compare with a week ago.",
      "Handlers that compute in the process.",
      "One busy instance among idle ones: the load balancer does not spread connections.",
    ],
    mitigate: [
      "Add instances, or `cluster.workers` where the machine has free cores.",
      "Move work out of handlers, into a function.",
      "Send less: fewer recipients, `volatile`, several events in one.",
    ],
    over: "It is below 0.8 at the busiest time of the day.",
  },
  SluiceEventLoopLagging: {
    users: "Every answer of that instance is late by a tenth of a second or more; pings too.",
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
      "A handler that computes for long at a time, or calls something synchronous.",
      "Very large packets or broadcasts with very many single recipients.",
      "Garbage collection, because the heap is nearly full.",
      "Other processes on the same cores.",
    ],
    mitigate: [
      "Move that work to a function, or into a worker thread.",
      "Lower `socket.packetBytesMax` if it is the size of packets.",
      "Give the process a core of its own.",
    ],
    over: "The 99th percentile is below 0.1 s for ten minutes.",
  },
  SluiceFileDescriptorsLow: {
    users: "Nothing yet. Beyond the limit nobody can connect.",
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
      "The limit is that of the system's default, 1,024 or 4,096.",
      "More connections than the limit was made for.",
      "Connections of something else in the process: a handler that leaks them.",
    ],
    mitigate: [
      "Raise the limit (`LimitNOFILE=1048576`, `ulimits.nofile`) and restart one instance after the other.",
      "Until then lower `limits.connectionsMax` below it, so that clients are refused with a reason.",
    ],
    over: "Less than four of five descriptors are in use.",
  },
  SluiceMemoryGrowing: {
    users: "Nothing yet. In hours or days it sheds load or is killed.",
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
      "Handlers that keep something of every client: a map without an end, listeners that are added again and again.",
      "`socket.data` that grows.",
      "Queues that are meant to grow up to their bound: unsent bytes, calls under way, recovery. The dashboard shows each.",
    ],
    mitigate: [
      "Restart one instance after the other; a drain keeps clients whole.",
      "Compare two heap snapshots, and mend what grew.",
    ],
    over: "It has not grown for six hours at the same number of connections.",
  },
  SluiceDrainSlow: {
    users: "Clients of that instance are connected still; no new ones come to it.",
    queries: [
      ask("connections left to close", 'sluice_drain_remaining_connections{job="sluice"}'),
      ask("instances that stop", 'sluice_draining{job="sluice"}'),
      ask("calls under way", 'sluice_upstream_queued_events{job="sluice"}'),
    ],
    commands: [READY, LAST_LINES],
    causes: [
      "`socket.drainMs` is that long on purpose.",
      "The platform has told it to stop and does not end it.",
      "Several workers stop one after the other.",
    ],
    mitigate: [
      "Wait if the first query falls.",
      "A second SIGTERM ends it at once; its clients reconnect elsewhere.",
      "Make the platform's grace longer than `socket.drainMs`, `upstream.drainMs` and 2 s together.",
    ],
    over: "`sluice_draining` is gone with the process.",
  },
};

export const SOCKET: Runbooks = {
  SluiceConnectionsFell: {
    users:
      "Every third user or more was cut off. Most clients reconnect by themselves, if they can.",
    queries: [CLOSES_BY_REASON, CONNECTIONS, UP],
    commands: [READY, readLog("socket"), DOCTOR],
    causes: [
      "`connection_lost` or `ping_timeout` of all instances: the load balancer, a proxy, the network before it, or DNS.",
      "One instance is missing in the second query: it was killed or cannot be reached.",
      "`overload`, `slow_consumer`, `bad_packet`: the gateway closed them, and those alerts say more.",
      "A release of the application that its clients do not get along with.",
    ],
    mitigate: [
      "Put the path of the clients right first: connect from outside, then past the load balancer.",
      "They come back all at once: watch `SluiceReconnectStorm`.",
      "A release: roll it back.",
    ],
    over: "The connections are as many as before, and closes by reason as few.",
  },
  SluiceReconnectStorm: {
    users: "Connecting takes longer; some are told to wait (429 or 503 with Retry-After).",
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
      "Something cut many clients off at once: look at the closes five minutes before.",
      "A deploy with a drain that is too short.",
      "Clients that reconnect in a loop: refused by the application as soon as they are in.",
      "An event with many visitors, which is no fault.",
    ],
    mitigate: [
      "Wait a minute: clients spread their attempts.",
      "Lower `limits.handshakesPerSecond` if the loops lag, so that those who are in are served.",
      "Lengthen `socket.drainMs` for the next deploy.",
    ],
    over: "New connections a second are near their usual rate.",
  },
  SluiceAbnormalCloses: {
    users: "Some clients are cut off again and again.",
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
      "`bad_packet`, `bad_frame`, `stray_packet`: a client version that is broken, or an attack.",
      "`ping_timeout`: phones that sleep, a proxy that drops idle connections, or a gateway that lags.",
      "`transport_error`: long-polling without sticky sessions.",
      "`rate_exceeded`, `acks_exceeded`, `upstream_full`: clients over a limit.",
    ],
    mitigate: [
      "Take the reason to docs/closes.md: it says what each means.",
      "A proxy: let it keep connections for longer than `socket.pingIntervalMs`.",
      "Several instances and long-polling: sticky sessions.",
    ],
    over: "Less than a tenth of the closes are abnormal.",
  },
  SluiceSlowConsumers: {
    users:
      "Clients on bad networks are cut off and come back; without recovery they miss what was sent.",
    queries: [
      ask(
        "closed for not reading",
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
      "More is sent than those clients can take: large or very many messages.",
      "A network that stalls: many clients of one provider.",
      "Clients whose page or app is asleep and does not read.",
    ],
    mitigate: [
      "Send less or smaller, or as `volatile` what is stale a moment later.",
      "Raise `socket.bufferBytesMax` (memory for each such client) or `socket.stallMsMax`.",
      "Turn recovery on (`recovery.windowMs`): who comes back gets what it missed.",
    ],
    over: "Fewer than one in a hundred connections is closed for it in five minutes.",
  },
  SluiceHandshakesRefused: {
    users: "People cannot connect.",
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
      "`origin_forbidden`: a page from a host that `socket.origins` does not name, often after a move.",
      "`unknown_session`: long-polling without sticky sessions.",
      "`limit_address_handshakes`, `limit_address_connections`: behind a proxy `socket.trustProxy` is not set, so all clients are one.",
      "`overloaded`, `draining`: see the alerts about load and drains.",
      "An attack: many refusals, and as many connections as always.",
    ],
    mitigate: [
      "Name the origin in `socket.origins`; set `socket.trustProxy`; make sessions sticky.",
      "An attack: keep it away before the gateway. What it refuses costs it little.",
    ],
    over: "More handshakes succeed than are refused.",
  },
};
