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
      "In stage refuse, new clients have to wait (503). In stages idle and slow, connected clients are closed, too.",
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
      "More load than the instances can serve: deliveries or new connections are far above normal.",
      "A handler computes for long: there is lag without more load.",
      "Memory: unsent bytes of slow clients, or handlers that keep too much data.",
      "`overload.memoryBytesMax` or the container's memory is too small for this number of connections.",
    ],
    mitigate: [
      "Add instances. New clients connect there by themselves.",
      "Stop the sender: the broadcast or job that began when the load did.",
      "Do not turn load shedding off. Without it the process may die, and all clients lose their connection.",
    ],
    over: "No stage was active for ten minutes.",
  },
  SluiceClientsLimited: {
    users: "Some clients get an error for their events, cannot join a room, or are closed.",
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
      "One client sends in a loop, by mistake or on purpose. The log names its socket.",
      "The application needs more than `limits.eventsPerSecond` events or `limits.roomsMax` rooms by design.",
      "A release sends more than the previous one.",
    ],
    mitigate: [
      "One client: disconnect its sockets with the HTTP API, and block its user in the application.",
      "By design: raise the limit. docs/settings.md has its bounds.",
    ],
    over: "There is less than one refusal a second.",
  },
  SluiceTokensRefused: {
    users: "Users cannot connect. They get `connect_error` with a code that begins with AUTH_.",
    queries: [TOKENS, KEY_SET, CONNECTIONS],
    commands: [readLog("door"), "date -u", REACH_KEYS],
    causes: [
      "`auth_expired`: the application gives out old tokens, or the clocks differ.",
      "`auth_invalid`: the key was rotated and the gateway has the old one (`auth.secret`, `auth.publicKey`). Or `auth.issuer` or `auth.audience` has changed.",
      "`auth_required`: a client sends no token, or under another name (`auth.tokenName`).",
      "An attacker tries tokens: one address, and the usual number of accepted tokens.",
    ],
    mitigate: [
      "Give the gateway the new key. With `auth.jwksUrl` it fetches the key by itself.",
      "Correct the clocks, or raise `auth.clockToleranceMs` for now.",
      "If a release of the application is the cause: roll it back.",
    ],
    over: "More tokens are accepted than refused.",
  },
  SluiceKeySetUnreachable: {
    users:
      "Nothing until `auth.jwksStaleMs` is over. Then no new client can connect (`AUTH_UNAVAILABLE`).",
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
      "The identity provider is down.",
      "The gateway cannot reach it: a firewall, DNS, or a missing proxy.",
      "Its certificate is not trusted, or the URL has changed.",
      "Its answer is larger than `auth.jwksBytesMax`, or later than `auth.jwksTimeoutMs`.",
    ],
    mitigate: [
      "Restore the provider, or the network to it.",
      "If that takes long: raise `auth.jwksStaleMs`. This needs a restart; restart one instance after the other.",
      "Or set the public key itself (`auth.publicKey`).",
    ],
    over: "A fetch succeeds. The alert ends fifteen minutes after the last failure at the latest.",
  },
};

export const CODEC: Runbooks = {
  SluicePacketsRefused: {
    users:
      "These clients are closed each time and reconnect. For their users the application does not work.",
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
      "A release of the client sends packets above the limits: `CODEC_TOO_LARGE`, `CODEC_TOO_DEEP`.",
      "A client uses another codec than `codec.accept` (`CODEC_NOT_ACCEPTED`), or another parser.",
      "Something that is not a Socket.IO client (`CODEC_MALFORMED`).",
      "An attack: one address with many codes.",
    ],
    mitigate: [
      "Look the code up in docs/failures.md. If the packets are intended, raise the limit (`codec.*`, `socket.packetBytesMax`).",
      "Roll back the release of the client.",
      "Attack: block the address in front of the gateway.",
    ],
    over: "Less than one packet a second is refused.",
  },
};

export const FANOUT: Runbooks = {
  SluiceDelayedCommandsLost: {
    users:
      "Something that was planned for later did not happen, such as a reminder or the timeout of a turn.",
    queries: [
      ask(
        "delayed commands by outcome",
        'sum by (outcome) (increase(sluice_fanout_delays_total{job="sluice"}[15m]))',
      ),
      ask("waiting commands", 'sluice_fanout_delayed_commands{job="sluice"}'),
      ask("which nodes reach Redis", 'sluice_cluster_redis_up{job="sluice"}'),
    ],
    commands: [readLog("fanout"), readMetrics("sluice_fanout_")],
    causes: [
      "`lost`: there is no Redis, and the process stopped.",
      "`full`: more than `fanout.delayedMax` commands or `fanout.delayedBytesMax` bytes are waiting.",
      "`away`: Redis was unreachable when they were sent. The sender got an error.",
      "`unreadable`: nodes have different `cluster.busKey`s, or another program writes to their Redis.",
    ],
    mitigate: [
      "Set `cluster.redisUrl`. Delayed commands then survive the process.",
      "Raise the limit, or send fewer: a command with a `key` replaces the previous one with this key.",
      "Let the application repeat the commands for which it got an error.",
    ],
    over: "None of these outcomes occurred for five minutes.",
  },
  SluiceDelayedCommandsLate: {
    users: "Planned events happen seconds late.",
    queries: [
      ask(
        "how late they are",
        'histogram_quantile(0.99, sum by (le) (rate(sluice_fanout_delay_late_seconds_bucket{job="sluice"}[5m])))',
      ),
      LOOP_LAG,
      ask("waiting commands", 'sluice_fanout_delayed_commands{job="sluice"}'),
    ],
    commands: [readLog("cluster"), "redis-cli -u $REDIS --latency-history -i 5"],
    causes: [
      "Event loops lag.",
      "Redis is slow, or was unreachable.",
      "A node was killed. The others carry out its commands when its lease has ended (`cluster.leaseMs`).",
      "Very many commands are due at the same moment.",
    ],
    mitigate: [
      "Add nodes, or spread the commands over some seconds.",
      "Find out why Redis is slow, and fix it.",
    ],
    over: "The 99th percentile is below 2.5 s for ten minutes.",
  },
};
