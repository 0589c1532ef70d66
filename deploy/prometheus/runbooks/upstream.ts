import { ask, type Runbooks, readLog, readMetrics } from "./runbook.ts";

const OUTCOMES = ask(
  "calls by route and outcome",
  'sum by (route, outcome) (rate(sluice_upstream_calls_total{job="sluice"}[5m]))',
);
const SECONDS = ask(
  "how long calls take, by route",
  'histogram_quantile(0.99, sum by (route, le) (rate(sluice_upstream_call_seconds_bucket{job="sluice"}[5m])))',
);
const OPEN = ask("calls that are open", 'sluice_upstream_inflight{job="sluice"}');
const WAITING = ask("open and waiting calls", 'sluice_upstream_queued_events{job="sluice"}');
const REFUSED = ask(
  "refused, by reason",
  'sum by (reason) (rate(sluice_upstream_refused_total{job="sluice"}[5m]))',
);
const BREAKERS = ask(
  "breakers: 0 closed, 1 half-open, 2 open",
  'sluice_upstream_breaker_state{job="sluice"}',
);
const LETTERS = ask("stored dead letters", 'sluice_upstream_dead_letters{job="sluice"}');

const auth = '-H "authorization: Bearer $KEY"';
const LIST_LETTERS = `curl -s ${auth} "$API/v1/deadletters?limit=20"`;
const REPLAY = `curl -s ${auth} -H 'content-type: application/json' -d '{"route":"ROUTE"}' $API/v1/deadletters`;
const LIST_ROUTES = `curl -s ${auth} $API/v1/routes`;
const REVIVE = `curl -s ${auth} -H 'content-type: application/json' -d '{"names":["ROUTE"]}' $API/v1/routes/revive`;

const SLOWER = "The function is slower than its clients: a cold start, its database, or a lock.";

export const UPSTREAM: Runbooks = {
  SluiceFunctionsFailing: {
    users:
      "Actions in the application end with an error. Events without acknowledgement are retried and arrive late.",
    queries: [OUTCOMES, SECONDS, BREAKERS],
    commands: [readLog("upstream"), LIST_ROUTES, LIST_LETTERS],
    causes: [
      "`UPSTREAM_FAILED`: the function answers 5xx. Its own log says why. The usual cause is a release.",
      "`UPSTREAM_TIMEOUT`: it takes longer than `upstream.timeoutMs`.",
      "`UPSTREAM_UNREACHABLE`: DNS, a certificate, a firewall, or the function does not run.",
      "`UPSTREAM_BAD_ANSWER`, `UPSTREAM_TOO_LARGE`: the gateway cannot read its answer.",
      "`UPSTREAM_REJECTED`: it refuses the signature (`upstream.secrets`), or the clocks differ.",
    ],
    mitigate: [
      "Roll the function back.",
      "Secrets: set the new and the old one. Each call is signed with all of them.",
      "When it answers again, replay the dead letters.",
    ],
    over: "Fewer than one call in ten fails for five minutes, and the dead letters are replayed.",
  },
  SluiceFunctionsSlow: {
    users: "Answers take a second or more.",
    queries: [SECONDS, OPEN, WAITING],
    commands: [
      readMetrics("sluice_upstream_"),
      "curl -so /dev/null -w '%{time_connect} %{time_total}\\n' $FUNCTION_URL",
    ],
    causes: [
      SLOWER,
      "All of `upstream.inflightMax` calls are open, and the others wait.",
      "The network to it: another region, a proxy.",
    ],
    mitigate: [
      "Give the function more instances, or keep some instances warm.",
      "Raise `upstream.inflightMax` if it can take more calls at once.",
      "Send events without acknowledgement in batches (`upstream.batch`).",
    ],
    over: "The 99th percentile is below a second for ten minutes.",
  },
  SluiceBreakerOpen: {
    users:
      "Actions that need this function end with an error at once. Everything else works, with one exception: if an event of a client is being retried, its later events wait, also those for other functions.",
    queries: [BREAKERS, OUTCOMES, REFUSED],
    commands: [
      readLog("upstream"),
      "curl -si $FUNCTION_URL   # from the gateway's machine",
      LIST_ROUTES,
    ],
    causes: [
      "More than `upstream.breakerPercent` of its calls failed: see the outcomes.",
      "It answers 429 or 503 with Retry-After, and so asks for a pause.",
    ],
    mitigate: [
      "Fix the function or roll it back. The gateway probes it every `upstream.breakerOpenMs`, and calls it again when it answers.",
      "You need not reset anything at the gateway. Replay the dead letters afterwards.",
    ],
    over: "The state of the breaker is 0.",
  },
  SluiceFunctionGone: {
    users: "Events and connects of this route are refused.",
    queries: [
      ask("paused routes (410)", 'sluice_upstream_gone_endpoints{job="sluice"}'),
      OUTCOMES,
      LETTERS,
    ],
    commands: [LIST_ROUTES, REVIVE],
    causes: [
      "The function was removed or moved, and answers 410.",
      "A proxy or the platform answers 410 for it.",
    ],
    mitigate: [
      "Remove the route from `upstream.routes`, or set its new URL.",
      "If it is back, revive the route (second command). Otherwise the gateway probes it after `upstream.goneMs`.",
    ],
    over: "No route is paused.",
  },
  SluiceDeadLetters: {
    users:
      "Some actions have had no effect yet: an event without acknowledgement failed on its last attempt.",
    queries: [
      ask(
        "became dead letters",
        'increase(sluice_upstream_dead_lettered_total{job="sluice"}[10m])',
      ),
      OUTCOMES,
      LETTERS,
    ],
    commands: [LIST_LETTERS, readLog("upstream"), REPLAY],
    causes: [
      "The function failed for longer than `upstream.retryForMs`.",
      "It refuses these events (4xx), for example because it does not know them.",
      "A route is paused after a 410.",
    ],
    mitigate: [
      "Read some of them. Reason and status are usually the same.",
      "Fix the function, then replay them by route or reason. They keep their ids, so the function can recognise those it has handled.",
    ],
    over: "There was no new dead letter for ten minutes, and `sluice_upstream_dead_letters` is 0.",
  },
  SluiceEventsLost: {
    users: "Some actions are lost for good.",
    queries: [
      ask("dropped", 'increase(sluice_upstream_dead_letters_dropped_total{job="sluice"}[10m])'),
      LETTERS,
      OUTCOMES,
    ],
    commands: [LIST_LETTERS, REPLAY],
    causes: [
      "A function has failed for long, and there are more than `upstream.deadLettersMax` dead letters.",
      "They are larger than `upstream.deadLetterBytesMax` in total.",
      "They are older than `upstream.deadLetterAgeMs`.",
    ],
    mitigate: [
      "Save the remaining ones: list all pages into a file.",
      "Fix the function and replay.",
      "Raise `upstream.deadLettersMax` and `upstream.deadLetterBytesMax`.",
    ],
    over: "Nothing was dropped for ten minutes.",
  },
  SluiceCallsRefused: {
    users: "Events are refused with an error, or with `event_refused`.",
    queries: [REFUSED, WAITING, SECONDS],
    commands: [readLog("upstream"), readMetrics("sluice_upstream_")],
    causes: [
      "`UPSTREAM_QUEUE_FULL`: `upstream.socketQueueMax` events of one socket are waiting.",
      SLOWER,
      "`UPSTREAM_SATURATED`: `upstream.queueMax` events of all sockets are waiting, or the journal in Redis is full.",
      "`UPSTREAM_AWAY`: Redis is unreachable, and `upstream.away` is refuse.",
      "`UPSTREAM_NO_ROUTE`: clients send an event that has no route.",
    ],
    mitigate: [
      "Raise `upstream.inflightMax` if the function can take it, or use `upstream.batch`.",
      "Pause clients instead of refusing their events: set `upstream.full` to pause.",
      "Limit the clients that send most: `limits.eventsPerSecond`.",
    ],
    over: "Less than one event a second is refused.",
  },
  SluiceCallsPileUp: {
    users: "Actions take effect later and later.",
    queries: [WAITING, OUTCOMES, OPEN],
    commands: [readLog("upstream"), readMetrics("sluice_upstream_"), LIST_ROUTES],
    causes: [
      "A function is unreachable: its calls get no answer, or its breaker is open.",
      SLOWER,
      "There are far more events than usual.",
    ],
    mitigate: [
      "Bring the function back before `upstream.retryForMs` is over. With Redis nothing is lost until then.",
      "Raise `upstream.inflightMax`, or use `upstream.batch`.",
    ],
    over: "The number of waiting calls is lower than ten minutes ago, and falls.",
  },
  SluiceClientsHeldBack: {
    users: "The application seems to hang. Actions have no effect, and pings wait, too.",
    queries: [
      ask("paused connections", 'sluice_paused_connections{job="sluice"}'),
      WAITING,
      SECONDS,
    ],
    commands: [readMetrics("sluice_paused_"), readLog("upstream")],
    causes: [
      SLOWER,
      "A few clients send far more than others and fill their own `upstream.socketQueueMax`.",
      "A function is unreachable.",
    ],
    mitigate: [
      "Raise `upstream.inflightMax` if the function can take more, or use `upstream.batch`.",
      "Limit those clients (`limits.eventsPerSecond`).",
    ],
    over: "No connection is paused for longer than a moment.",
  },
  SluiceCallsUnwritten: {
    users: "Nothing. But if a gateway is killed now, the calls that are not in Redis are lost.",
    queries: [
      ask(
        "calls not written",
        'increase(sluice_upstream_journal_unconfirmed_total{job="sluice"}[5m])',
      ),
      ask("which nodes reach Redis", 'sluice_cluster_redis_up{job="sluice"}'),
      ask("calls stored in Redis", 'sluice_upstream_journal_entries{job="sluice"}'),
    ],
    commands: ["redis-cli -u $REDIS ping", "redis-cli -u $REDIS info memory", readLog("cluster")],
    causes: [
      "Redis is unreachable.",
      "It answers later than `cluster.timeoutMs`.",
      "It is full: with `noeviction`, Redis refuses writes at `maxmemory`.",
    ],
    mitigate: [
      "Bring Redis back, or give it more memory.",
      "Do not restart gateways until then. A stop waits only `upstream.drainMs` for calls that are not written.",
      "If no event may be lost, set `upstream.away` to refuse.",
    ],
    over: "All calls were written for five minutes.",
  },
};
