import {
  ask,
  CLOSES_BY_REASON,
  CONNECTIONS,
  LOOP_LAG,
  READY,
  type Runbooks,
  readLog,
  readMetrics,
} from "./runbook.ts";

const TOKENS = ask(
  "tokens by result",
  'sum by (result) (rate(sluice_authentications_total{job="sluice"}[5m]))',
);
const KEY_SET = ask(
  "fetches of the key set",
  'sum by (instance, result) (increase(sluice_key_set_fetches_total{job="sluice"}[15m]))',
);
const REACH_KEYS = "curl -si $JWKS_URL   # from the gateway's machine";

export const DOOR: Runbooks = {
  SluiceOverloaded: {
    users:
      "In stage refuse, new clients are told to wait (503). In stages idle and slow, clients that are connected are cut off too.",
    queries: [
      LOOP_LAG,
      ask("memory", 'process_resident_memory_bytes{job="sluice"}'),
      ask(
        "deliveries by instance",
        'sum by (instance) (rate(sluice_deliveries_total{job="sluice"}[5m]))',
      ),
    ],
    commands: [READY, readLog("door"), readMetrics("sluice_overload_")],
    causes: [
      "More load than the instances carry: deliveries or new connections are far above usual.",
      "A handler that computes for long: lag without more load.",
      "Memory: unsent bytes of slow clients, or handlers that keep too much.",
      "`overload.memoryBytesMax` or the container's memory is too small for that many connections.",
    ],
    mitigate: [
      "Add instances; new clients go there by themselves.",
      "Stop what sends: the broadcast or job that began when the load did.",
      "Do not turn shedding off: it keeps those who are served from being lost with the process.",
    ],
    over: "No stage is active for ten minutes.",
  },
  SluiceClientsLimited: {
    users: "Some clients have events refused with an error, cannot join a room, or are closed.",
    queries: [
      ask("refusals by limit", 'sum by (limit) (rate(sluice_limited_total{job="sluice"}[5m]))'),
      ask(
        "packets in",
        'sum by (instance) (rate(sluice_packets_received_total{job="sluice", type="message"}[5m]))',
      ),
      CLOSES_BY_REASON,
    ],
    commands: [readLog("door"), readMetrics("sluice_limited_")],
    causes: [
      "One client sends in a loop, by mistake or on purpose: the log names its socket.",
      "The application sends more than `limits.eventsPerSecond` or joins more than `limits.roomsMax` rooms by design.",
      "A release that sends more than the one before.",
    ],
    mitigate: [
      "One client: disconnect its sockets over the API, and its user in the application.",
      "By design: raise that limit; docs/settings.md has its bounds.",
    ],
    over: "Less than one refusal a second.",
  },
  SluiceTokensRefused: {
    users:
      "People cannot sign in to what is live: `connect_error` with a code that begins with AUTH_.",
    queries: [TOKENS, KEY_SET, CONNECTIONS],
    commands: [readLog("door"), "date -u", REACH_KEYS],
    causes: [
      "`auth_expired`: the application hands out old tokens, or clocks are apart.",
      "`auth_invalid`: the key was rotated and the gateway has the old one (`auth.secret`, `auth.publicKey`), or `auth.issuer` or `auth.audience` changed.",
      "`auth_required`: a client that sends none, or under another name (`auth.tokenName`).",
      "Somebody tries tokens: one address, and as many accepted as always.",
    ],
    mitigate: [
      "Give the gateway the new key; with `auth.jwksUrl` it fetches it by itself.",
      "Set the clocks, or raise `auth.clockToleranceMs` for now.",
      "A release of the application: roll it back.",
    ],
    over: "More tokens are accepted than refused.",
  },
  SluiceKeySetUnreachable: {
    users:
      "Nothing until `auth.jwksStaleMs` is over; then nobody new gets in (`AUTH_UNAVAILABLE`).",
    queries: [
      KEY_SET,
      TOKENS,
      ask(
        "how long the check of a token takes",
        'histogram_quantile(0.99, sum by (le) (rate(sluice_authentication_seconds_bucket{job="sluice"}[5m])))',
      ),
    ],
    commands: [REACH_KEYS, readLog("door")],
    causes: [
      "The identity provider is away.",
      "The gateway may not go out: a firewall, DNS, a proxy that is needed.",
      "Its certificate is not trusted, or the URL has changed.",
      "It answers more than `auth.jwksBytesMax`, or later than `auth.jwksTimeoutMs`.",
    ],
    mitigate: [
      "Bring the provider or the way to it back.",
      "It takes long: raise `auth.jwksStaleMs`, which needs a restart, so one instance after the other.",
      "Or set the public key itself (`auth.publicKey`).",
    ],
    over: "A fetch is answered; the alert ends fifteen minutes after the last failure at the latest.",
  },
};

export const CODEC: Runbooks = {
  SluicePacketsRefused: {
    users:
      "Those clients are closed each time, and come back: to their users the application does not work.",
    queries: [
      ask(
        "packets refused, by code",
        'sum by (reason) (rate(sluice_codec_refused_total{job="sluice"}[5m]))',
      ),
      CLOSES_BY_REASON,
      CONNECTIONS,
    ],
    commands: [
      "$LOG | jq -c 'select(.reason == \"bad_packet\")' | tail   # at log.level debug, with the code",
      readMetrics("sluice_codec_"),
    ],
    causes: [
      "A release of the client that sends what the limits do not take: `CODEC_TOO_LARGE`, `CODEC_TOO_DEEP`.",
      "A client with another codec than `codec.accept` (`CODEC_NOT_ACCEPTED`), or with another parser.",
      "Something that is no Socket.IO client (`CODEC_MALFORMED`).",
      "An attack: one address, many codes.",
    ],
    mitigate: [
      "Look the code up in docs/failures.md, and raise its limit (`codec.*`, `socket.packetBytesMax`) if what is sent is meant.",
      "Roll the client back.",
      "An attack: keep the address away before the gateway.",
    ],
    over: "Less than one packet a second is refused.",
  },
};

export const FANOUT: Runbooks = {
  SluiceDelayedCommandsLost: {
    users: "Something that was to happen later did not: a reminder, a timeout of a turn.",
    queries: [
      ask(
        "what became of them",
        'sum by (outcome) (increase(sluice_fanout_delays_total{job="sluice"}[15m]))',
      ),
      ask("how many wait", 'sluice_fanout_delayed_commands{job="sluice"}'),
      ask("which nodes reach Redis", 'sluice_cluster_redis_up{job="sluice"}'),
    ],
    commands: [readLog("fanout"), readMetrics("sluice_fanout_")],
    causes: [
      "`lost`: there is no Redis, and the process has stopped.",
      "`full`: more than `fanout.delayedMax` or `fanout.delayedBytesMax` wait.",
      "`away`: Redis was away when they were to be kept; the sender was told.",
      "`unreadable`: nodes have different `cluster.busKey`s, or somebody else writes to their Redis.",
    ],
    mitigate: [
      "Set `cluster.redisUrl`, so that they outlive a process.",
      "Raise the bound, or send fewer: one command with a `key` replaces the one before.",
      "Have the application send again what it was told was not kept.",
    ],
    over: "No more of these outcomes for five minutes.",
  },
  SluiceDelayedCommandsLate: {
    users: "What was to happen at a time happens seconds later.",
    queries: [
      ask(
        "how late they are",
        'histogram_quantile(0.99, sum by (le) (rate(sluice_fanout_delay_late_seconds_bucket{job="sluice"}[5m])))',
      ),
      LOOP_LAG,
      ask("how many wait", 'sluice_fanout_delayed_commands{job="sluice"}'),
    ],
    commands: [readLog("cluster"), "redis-cli -u $REDIS --latency-history -i 5"],
    causes: [
      "Event loops that lag.",
      "Redis is slow or was away.",
      "A node was killed: the others carry out what it had taken once its lease has ended (`cluster.leaseMs`).",
      "Very many are due in the same moment.",
    ],
    mitigate: [
      "Add nodes; spread what is due over some seconds.",
      "Bring Redis back to its usual speed.",
    ],
    over: "The 99th percentile is below 2.5 s for ten minutes.",
  },
};
