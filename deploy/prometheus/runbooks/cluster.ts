import {
  ask,
  CONNECTIONS,
  LOOP_LAG,
  READY,
  type Runbooks,
  readLog,
  readMetrics,
} from "./runbook.ts";

const REDIS_UP = ask("which nodes reach Redis", 'sluice_cluster_redis_up{job="sluice"}');
const LAG = ask(
  "how late messages of other nodes arrive",
  'histogram_quantile(0.99, sum by (instance, le) (rate(sluice_cluster_lag_seconds_bucket{job="sluice"}[5m])))',
);
const ERRORS = ask(
  "failed commands and connections to Redis",
  'sum by (instance) (rate(sluice_cluster_errors_total{job="sluice"}[5m]))',
);
const PING = "redis-cli -u $REDIS ping";
const MEMORY = "redis-cli -u $REDIS info memory";
const SLOW = "redis-cli -u $REDIS slowlog get 10";

export const CLUSTER: Runbooks = {
  SluiceRedisAway: {
    users:
      "Clients stay connected, and hear only what clients of the same node say. Commands over HTTP answer 503, unless `cluster.away` is local. Events of functions that Redis is to keep are in memory alone, or refused (`upstream.away`).",
    queries: [
      REDIS_UP,
      ERRORS,
      ask(
        "what other nodes did not get",
        'sum by (instance) (increase(sluice_cluster_missed_total{job="sluice"}[5m]))',
      ),
    ],
    commands: [PING, readLog("cluster"), READY],
    causes: [
      "Redis has stopped, restarts, or has no memory left: all nodes say so.",
      "The network or a firewall between this node and Redis: one node says so.",
      "A password, certificate or address that changed: the log says what was refused.",
      "Redis answers later than `cluster.timeoutMs`, because a command of somebody else blocks it.",
    ],
    mitigate: [
      "Bring Redis back; the nodes connect again by themselves and need no restart.",
      "Out of memory: raise `maxmemory`. Keep the policy `noeviction`, because evicted logs are gaps.",
      "Do not restart gateways meanwhile: with `cluster.startup` of fail they would not start.",
    ],
    over: "`sluice_cluster_redis_up` is 1 on every node. `SluiceClusterMessagesMissed` may follow: it says what was lost in between.",
  },
  SluiceRedisFlapping: {
    users: "For a second or two at a time, what is sent does not reach clients of other nodes.",
    queries: [
      ask("reconnects by node", 'increase(sluice_cluster_reconnects_total{job="sluice"}[15m])'),
      ERRORS,
      LAG,
    ],
    commands: [readLog("cluster"), SLOW, MEMORY],
    causes: [
      "Something between node and Redis cuts idle or long connections: a proxy, a NAT, a load balancer.",
      "Redis fails over again and again, or is killed for its memory.",
      "Redis answers later than `cluster.timeoutMs`, which counts as away.",
      "The node's own event loop stands still for longer than that.",
    ],
    mitigate: [
      "Connect to Redis directly, without a proxy that ends connections.",
      "Raise `cluster.timeoutMs` if Redis is slow but sound.",
    ],
    over: "No reconnect for fifteen minutes.",
  },
  SluiceClusterMessagesMissed: {
    users: "Some clients did not get something that was sent to them. They do not know it.",
    queries: [
      ask(
        "what other nodes did not get",
        'increase(sluice_cluster_missed_total{job="sluice"}[5m])',
      ),
      REDIS_UP,
      LOOP_LAG,
    ],
    commands: [readLog("cluster"), PING, readMetrics("sluice_cluster_")],
    causes: [
      "Redis was away: `SluiceRedisAway` fires too, or has just ended.",
      "Redis or the primary of workers was too slow, and `cluster.pendingMax` messages waited.",
      "A message was larger than `cluster.messageBytesMax`, or could not be serialized.",
    ],
    mitigate: [
      "End what keeps Redis away or slow.",
      "Send again what must arrive; only the application knows what that is.",
      "Too many at once: send fewer and larger broadcasts, or raise `cluster.pendingMax`.",
    ],
    over: "`sluice_cluster_missed_total` has stood still for five minutes.",
  },
  SluiceClusterGap: {
    users:
      "Clients of a node lost their connection and came back at once, without recovery: they have to load their state anew.",
    queries: [
      ask("gaps by node", 'increase(sluice_cluster_gaps_total{job="sluice"}[15m])'),
      ask(
        "closes for it",
        'sum by (instance) (increase(sluice_connections_closed_total{job="sluice", reason="stream_gap"}[15m]))',
      ),
      LOOP_LAG,
    ],
    commands: [
      readLog("cluster"),
      "redis-cli -u $REDIS info persistence",
      "redis-cli -u $REDIS info replication",
    ],
    causes: [
      "All nodes at once: Redis restarted without its data, was flushed, or failed over to a replica that was behind.",
      "One node: it could not read for longer than `cluster.streamPacketsMax` messages, because its loop or its network stood still.",
      "One worker: it left its pipe unread for as long.",
    ],
    mitigate: [
      "Nothing has to be done for the clients: they are back.",
      "One node again and again: raise `cluster.streamPacketsMax`, and see what blocks its event loop.",
      "Redis: have replicas follow closely, and let nobody flush it.",
    ],
    over: "`sluice_cluster_gaps_total` has stood still for fifteen minutes, and connections are as many as before.",
  },
  SluiceClusterLagging: {
    users: "What one client sends reaches clients of other nodes a second or more later.",
    queries: [
      LAG,
      LOOP_LAG,
      ask(
        "messages by direction",
        'sum by (instance, direction) (rate(sluice_cluster_messages_total{job="sluice"}[5m]))',
      ),
    ],
    commands: ["redis-cli -u $REDIS --latency-history -i 5", SLOW, "date -u"],
    causes: [
      "The event loop of the receiving node is busy: it lags as well.",
      "Redis is busy, or a slow command of somebody else blocks it.",
      "The clocks of node and Redis differ: then only the figure is wrong, and constant.",
      "The network to Redis is full; see the bytes from and to other nodes.",
    ],
    mitigate: [
      "Add nodes if loops are busy; give Sluice a Redis of its own if that is.",
      "Set the clocks (NTP).",
    ],
    over: "The 99th percentile is below a second for ten minutes.",
  },
  SluiceClusterMessagesRefused: {
    users: "Nothing yet, or what was refused is missing at the clients of this node.",
    queries: [
      ask(
        "refused messages by reason",
        'sum by (instance, reason) (increase(sluice_cluster_refused_total{job="sluice"}[5m]))',
      ),
      REDIS_UP,
      ask("versions that run", 'count by (version) (sluice_build_info{job="sluice"})'),
    ],
    commands: [
      readLog("cluster"),
      "redis-cli -u $REDIS client list",
      "redis-cli -u $REDIS acl log",
    ],
    causes: [
      "A node with another `cluster.busKey`, often in the middle of a deploy.",
      "A message above `cluster.messageBytesMax`.",
      "Another program, or another Sluice with the same `cluster.prefix`, writes to this Redis.",
      "Somebody repeats or forges messages: an attack from inside.",
    ],
    mitigate: [
      "Give all nodes the same key; they accept each other as soon as they have started with it.",
      "Let nobody else write to this Redis: a user of its own, and a network that only nodes reach.",
      "An attack: change the password of Redis and `cluster.busKey`, and restart all nodes.",
    ],
    over: "`sluice_cluster_refused_total` has stood still for five minutes.",
  },
};

export const RECOVERY: Runbooks = {
  SluiceRecoveriesFailing: {
    users:
      "Clients that were away for a moment come back without what they missed, and load everything anew.",
    queries: [
      ask(
        "clients that came back, by result",
        'sum by (result) (increase(sluice_recoveries_total{job="sluice"}[15m]))',
      ),
      ask(
        "what was forgotten too early",
        'sum by (instance) (increase(sluice_recovery_dropped_packets_total{job="sluice"}[15m]))',
      ),
      CONNECTIONS,
    ],
    commands: [readMetrics("sluice_recovery_"), readLog("cluster")],
    causes: [
      "They were away for longer than `recovery.windowMs`.",
      "`recovery.packetsMax` or `recovery.bytesMax` is too small for what is sent in that time: packets are dropped.",
      "They came back to another node, and there is no Redis between the nodes.",
      "A session was larger than `recovery.sessionBytesMax`, or a socket joined and left more than `recovery.roomChangesMax` rooms.",
    ],
    mitigate: [
      "Raise the bound that the second query points at; the memory is bounded by `recovery.bytesMax`.",
      "Without Redis, have the load balancer send clients back to their node.",
    ],
    over: "More than four of five clients that come back are recovered.",
  },
  SluiceRecoveryForgets: {
    users: "Nothing yet. Who comes back later than others may not be recovered.",
    queries: [
      ask(
        "packets forgotten too early",
        'rate(sluice_recovery_dropped_packets_total{job="sluice"}[5m])',
      ),
      ask("bytes that are kept", 'sluice_recovery_bytes{job="sluice"}'),
      ask("packets that are kept", 'sluice_recovery_packets{job="sluice"}'),
    ],
    commands: [readMetrics("sluice_recovery_")],
    causes: [
      "More is sent within `recovery.windowMs` than `recovery.packetsMax` or `recovery.bytesMax` holds.",
      "Something sends far more than usual.",
    ],
    mitigate: [
      "Raise `recovery.packetsMax` or `recovery.bytesMax`, or shorten `recovery.windowMs`.",
      "Send what need not arrive as `volatile`.",
    ],
    over: "The first query is 0 for five minutes.",
  },
};
