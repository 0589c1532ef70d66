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
      "Clients stay connected, but get messages only from their own node. Commands over HTTP get 503, unless `cluster.away` is local. Events for functions are kept in memory only, or refused (`upstream.away`).",
    queries: [
      REDIS_UP,
      ERRORS,
      ask(
        "messages that other nodes did not get",
        'sum by (instance) (increase(sluice_cluster_missed_total{job="sluice"}[5m]))',
      ),
    ],
    commands: [PING, readLog("cluster"), READY],
    causes: [
      "All nodes report it: Redis has stopped, restarts, or has no memory left.",
      "One node reports it: the network or a firewall between this node and Redis.",
      "A password, certificate or address has changed. The log says what was refused.",
      "Redis answers later than `cluster.timeoutMs`, because a command of another program blocks it.",
    ],
    mitigate: [
      "Bring Redis back. The nodes reconnect by themselves and need no restart.",
      "Out of memory: raise `maxmemory`. Keep the policy `noeviction`: an evicted log is a gap.",
      "Do not restart gateways until then. With `cluster.startup` set to fail they would not start.",
    ],
    over: "`sluice_cluster_redis_up` is 1 on every node. `SluiceClusterMessagesMissed` may follow. It shows how many messages were lost.",
  },
  SluiceRedisFlapping: {
    users: "For a second or two at a time, messages do not reach clients of other nodes.",
    queries: [
      ask("reconnects by node", 'increase(sluice_cluster_reconnects_total{job="sluice"}[15m])'),
      ERRORS,
      LAG,
    ],
    commands: [readLog("cluster"), SLOW, MEMORY],
    causes: [
      "A proxy, NAT or load balancer between node and Redis closes idle or long connections.",
      "Redis fails over again and again, or is killed because of its memory.",
      "Redis answers later than `cluster.timeoutMs`, which counts as unreachable.",
      "The node's own event loop is blocked for longer than that.",
    ],
    mitigate: [
      "Connect to Redis directly, without a proxy that closes connections.",
      "Raise `cluster.timeoutMs` if Redis is healthy but slow.",
    ],
    over: "There was no reconnect for fifteen minutes.",
  },
  SluiceClusterMessagesMissed: {
    users: "Some clients did not get a message, and do not know it.",
    queries: [
      ask(
        "messages that other nodes did not get",
        'increase(sluice_cluster_missed_total{job="sluice"}[5m])',
      ),
      REDIS_UP,
      LOOP_LAG,
    ],
    commands: [readLog("cluster"), PING, readMetrics("sluice_cluster_")],
    causes: [
      "Redis was unreachable: `SluiceRedisAway` fires too, or has just ended.",
      "Redis, or the primary of workers, was too slow, and `cluster.pendingMax` messages were waiting.",
      "A message was larger than `cluster.messageBytesMax`, or could not be serialized.",
    ],
    mitigate: [
      "Fix what makes Redis unreachable or slow.",
      "Send again what must arrive. Only the application knows what that is.",
      "Too many messages at once: send fewer and larger broadcasts, or raise `cluster.pendingMax`.",
    ],
    over: "`sluice_cluster_missed_total` has not grown for five minutes.",
  },
  SluiceClusterGap: {
    users:
      "Clients of a node lost their connection and reconnected at once, without recovery. They have to reload their state.",
    queries: [
      ask("gaps by node", 'increase(sluice_cluster_gaps_total{job="sluice"}[15m])'),
      ask(
        "closes for this reason",
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
      "One node: it did not read for more than `cluster.streamPacketsMax` messages, because its event loop or its network was blocked.",
      "One worker: it did not read its pipe for as long.",
    ],
    mitigate: [
      "You need not do anything for the clients: they have reconnected.",
      "One node again and again: raise `cluster.streamPacketsMax`, and find what blocks its event loop.",
      "Redis: keep replicas close behind, and never flush it.",
    ],
    over: "`sluice_cluster_gaps_total` has not grown for fifteen minutes, and the number of connections is as before.",
  },
  SluiceClusterLagging: {
    users: "Messages reach clients of other nodes a second or more late.",
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
      "The event loop of the receiving node is busy. It lags, too.",
      "Redis is busy, or a slow command of another program blocks it.",
      "The clocks of node and Redis differ. Then only the figure is wrong, and constant.",
      "The network to Redis is saturated. See the bytes from and to other nodes.",
    ],
    mitigate: [
      "If event loops are busy, add nodes. If Redis is busy, give Sluice a Redis of its own.",
      "Correct the clocks (NTP).",
    ],
    over: "The 99th percentile is below a second for ten minutes.",
  },
  SluiceClusterMessagesRefused: {
    users: "Nothing yet, or clients of this node miss the refused messages.",
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
      "A node has another `cluster.busKey`, often in the middle of a deploy.",
      "A message is larger than `cluster.messageBytesMax`.",
      "Another program, or another Sluice with the same `cluster.prefix`, writes to this Redis.",
      "Someone repeats or forges messages: an attack from inside your network.",
    ],
    mitigate: [
      "Give all nodes the same key. They accept each other's messages as soon as they have started with it.",
      "Do not let other programs write to this Redis: give it a user of its own, and a network that only nodes can reach.",
      "Attack: change the password of Redis and `cluster.busKey`, and restart all nodes.",
    ],
    over: "`sluice_cluster_refused_total` has not grown for five minutes.",
  },
};

export const RECOVERY: Runbooks = {
  SluiceRecoveriesFailing: {
    users:
      "Clients that were briefly disconnected do not get the messages they missed, and reload everything.",
    queries: [
      ask(
        "clients that came back, by result",
        'sum by (result) (increase(sluice_recoveries_total{job="sluice"}[15m]))',
      ),
      ask(
        "packets dropped too early",
        'sum by (instance) (increase(sluice_recovery_dropped_packets_total{job="sluice"}[15m]))',
      ),
      CONNECTIONS,
    ],
    commands: [readMetrics("sluice_recovery_"), readLog("cluster")],
    causes: [
      "They were disconnected for longer than `recovery.windowMs`.",
      "`recovery.packetsMax` or `recovery.bytesMax` is too small for what is sent in this time, so packets are dropped.",
      "They reconnected to another node, and the nodes have no Redis.",
      "A session was larger than `recovery.sessionBytesMax`, or a socket joined and left more than `recovery.roomChangesMax` rooms.",
    ],
    mitigate: [
      "If the second query is above 0, raise `recovery.packetsMax` or `recovery.bytesMax`. `recovery.bytesMax` limits the memory.",
      "Without Redis, let the load balancer send clients back to their node.",
    ],
    over: "More than 80 % of the clients that come back are recovered.",
  },
  SluiceRecoveryForgets: {
    users: "Nothing yet. Clients that come back late in the window may not be recovered.",
    queries: [
      ask(
        "packets dropped too early",
        'rate(sluice_recovery_dropped_packets_total{job="sluice"}[5m])',
      ),
      ask("stored bytes", 'sluice_recovery_bytes{job="sluice"}'),
      ask("stored packets", 'sluice_recovery_packets{job="sluice"}'),
    ],
    commands: [readMetrics("sluice_recovery_")],
    causes: [
      "More is sent within `recovery.windowMs` than `recovery.packetsMax` or `recovery.bytesMax` can hold.",
      "The application sends far more than usual.",
    ],
    mitigate: [
      "Raise `recovery.packetsMax` or `recovery.bytesMax`, or shorten `recovery.windowMs`.",
      "Send messages that may be lost as `volatile`.",
    ],
    over: "The first query is 0 for five minutes.",
  },
};
