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
const WAITING = ask(
  "calls under way, waiting included",
  'sluice_upstream_queued_events{job="sluice"}',
);
const REFUSED = ask(
  "turned away, by reason",
  'sum by (reason) (rate(sluice_upstream_refused_total{job="sluice"}[5m]))',
);
const BREAKERS = ask(
  "breakers: 0 closed, 1 half-open, 2 open",
  'sluice_upstream_breaker_state{job="sluice"}',
);
const LETTERS = ask("dead letters that are kept", 'sluice_upstream_dead_letters{job="sluice"}');

const auth = '-H "authorization: Bearer $KEY"';
const LIST_LETTERS = `curl -s ${auth} "$API/v1/deadletters?limit=20"`;
const REPLAY = `curl -s ${auth} -H 'content-type: application/json' -d '{"route":"ROUTE"}' $API/v1/deadletters`;
const LIST_ROUTES = `curl -s ${auth} $API/v1/routes`;
const REVIVE = `curl -s ${auth} -H 'content-type: application/json' -d '{"names":["ROUTE"]}' $API/v1/routes/revive`;

const SLOWER = "The function is slower than its clients: a cold start, its data store, or a lock.";

export const UPSTREAM: Runbooks = {
  SluiceFunctionsFailing: {
    users:
      "What they do in the application is answered with an error. Events that nobody waits for are tried again and come late.",
    queries: [OUTCOMES, SECONDS, BREAKERS],
    commands: [readLog("upstream"), LIST_ROUTES, LIST_LETTERS],
    causes: [
      "`UPSTREAM_FAILED`: the function answers 5xx. Its own log says why; a release of it is the usual cause.",
      "`UPSTREAM_TIMEOUT`: it takes longer than `upstream.timeoutMs`.",
      "`UPSTREAM_UNREACHABLE`: DNS, a certificate, a firewall, or it does not run.",
      "`UPSTREAM_BAD_ANSWER`, `UPSTREAM_TOO_LARGE`: it answers what cannot be read.",
      "`UPSTREAM_REJECTED`: it does not take the signature (`upstream.secrets`), or clocks are apart.",
    ],
    mitigate: [
      "Roll the function back.",
      "Secrets: set the new and the old one; each call is signed with all.",
      "Replay what became a dead letter once it answers again.",
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
      "The way to it: another region, a proxy.",
    ],
    mitigate: [
      "Give the function more instances, or keep some warm.",
      "Raise `upstream.inflightMax` if it can take more at once.",
      "Let events that need no answer go in batches (`upstream.batch`).",
    ],
    over: "The 99th percentile is below a second for ten minutes.",
  },
  SluiceBreakerOpen: {
    users:
      "What needs that function is answered with an error at once. Everything else works, but for clients with an event that is tried again: all that they send later waits behind it, for other functions too.",
    queries: [BREAKERS, OUTCOMES, REFUSED],
    commands: [
      readLog("upstream"),
      "curl -si $FUNCTION_URL   # from the gateway's machine",
      LIST_ROUTES,
    ],
    causes: [
      "More than `upstream.breakerPercent` of its calls failed: see the outcomes.",
      "It answers 429 or 503 with Retry-After, and asks to be left alone.",
    ],
    mitigate: [
      "Mend the function or roll it back. It is probed every `upstream.breakerOpenMs` and called again by itself.",
      "Nothing has to be reset at the gateway. Replay what became a dead letter meanwhile.",
    ],
    over: "Its state is 0.",
  },
  SluiceFunctionGone: {
    users: "What that route answers is refused.",
    queries: [
      ask("routes that are gone", 'sluice_upstream_gone_endpoints{job="sluice"}'),
      OUTCOMES,
      LETTERS,
    ],
    commands: [LIST_ROUTES, REVIVE],
    causes: [
      "The function was taken away or moved, and answers 410.",
      "A proxy or platform answers 410 in its place.",
    ],
    mitigate: [
      "Take the route out of `upstream.routes`, or set its new URL.",
      "It is back: revive it (the second command); else it is probed after `upstream.goneMs`.",
    ],
    over: "No route is gone.",
  },
  SluiceDeadLetters: {
    users: "Something that they did had no effect yet: an event without an answer was given up.",
    queries: [
      ask("given up", 'increase(sluice_upstream_dead_lettered_total{job="sluice"}[10m])'),
      OUTCOMES,
      LETTERS,
    ],
    commands: [LIST_LETTERS, readLog("upstream"), REPLAY],
    causes: [
      "The function failed for longer than `upstream.retryForMs`.",
      "It refuses these events for good (4xx): an event that it does not know.",
      "A route is gone.",
    ],
    mitigate: [
      "Read some of them: reason and status are the same for most.",
      "Mend the function, then replay them by route or reason. They keep their ids, so it knows those that it has done.",
    ],
    over: "Nothing was given up for ten minutes, and `sluice_upstream_dead_letters` is 0.",
  },
  SluiceEventsLost: {
    users: "What they did is lost for good.",
    queries: [
      ask("dropped", 'increase(sluice_upstream_dead_letters_dropped_total{job="sluice"}[10m])'),
      LETTERS,
      OUTCOMES,
    ],
    commands: [LIST_LETTERS, REPLAY],
    causes: [
      "A function fails for long, and more than `upstream.deadLettersMax` events were given up.",
      "They are large: `upstream.deadLetterBytesMax`.",
      "They are older than `upstream.deadLetterAgeMs`.",
    ],
    mitigate: [
      "Save what is there: list all pages into a file.",
      "Mend the function and replay.",
      "Raise `upstream.deadLettersMax` and `upstream.deadLetterBytesMax`.",
    ],
    over: "Nothing was dropped for ten minutes.",
  },
  SluiceCallsRefused: {
    users: "Events are refused with an error, or with `event_refused`.",
    queries: [REFUSED, WAITING, SECONDS],
    commands: [readLog("upstream"), readMetrics("sluice_upstream_")],
    causes: [
      "`UPSTREAM_QUEUE_FULL`: one socket has `upstream.socketQueueMax` events waiting.",
      SLOWER,
      "`UPSTREAM_SATURATED`: all together have `upstream.queueMax`, or the journal in Redis is full.",
      "`UPSTREAM_AWAY`: Redis is away, and `upstream.away` is refuse.",
      "`UPSTREAM_NO_ROUTE`: clients send an event that no route answers.",
    ],
    mitigate: [
      "Raise `upstream.inflightMax` if the function can take it, or use `upstream.batch`.",
      "Hold clients back instead of refusing: `upstream.full` of pause.",
      "Limit those who send most: `limits.eventsPerSecond`.",
    ],
    over: "Less than one event a second is turned away.",
  },
  SluiceCallsPileUp: {
    users: "What they do has its effect later and later.",
    queries: [WAITING, OUTCOMES, OPEN],
    commands: [readLog("upstream"), readMetrics("sluice_upstream_"), LIST_ROUTES],
    causes: [
      "A function is away: its outcomes are no answers, or its breaker is open.",
      SLOWER,
      "Far more events than usual come in.",
    ],
    mitigate: [
      "Bring the function back before `upstream.retryForMs` has passed; with Redis nothing is lost until then.",
      "Raise `upstream.inflightMax`, or use `upstream.batch`.",
    ],
    over: "Fewer calls are under way than ten minutes before, and fewer each time.",
  },
  SluiceClientsHeldBack: {
    users:
      "Their application seems to hang: nothing that they do has an effect, and pings wait too.",
    queries: [
      ask("connections that are not read from", 'sluice_paused_connections{job="sluice"}'),
      WAITING,
      SECONDS,
    ],
    commands: [readMetrics("sluice_paused_"), readLog("upstream")],
    causes: [
      SLOWER,
      "A few clients send far more than others: `upstream.socketQueueMax` is full for them alone.",
      "A function is away.",
    ],
    mitigate: [
      "Raise `upstream.inflightMax` if the function can take more, or use `upstream.batch`.",
      "Limit those clients (`limits.eventsPerSecond`).",
    ],
    over: "No connection is held back for longer than a moment.",
  },
  SluiceCallsUnwritten: {
    users: "Nothing, unless a gateway is killed now: then what was not written is lost.",
    queries: [
      ask("not written", 'increase(sluice_upstream_journal_unconfirmed_total{job="sluice"}[5m])'),
      ask("which nodes reach Redis", 'sluice_cluster_redis_up{job="sluice"}'),
      ask("calls that Redis keeps", 'sluice_upstream_journal_entries{job="sluice"}'),
    ],
    commands: ["redis-cli -u $REDIS ping", "redis-cli -u $REDIS info memory", readLog("cluster")],
    causes: [
      "Redis is away.",
      "It answers later than `cluster.timeoutMs`.",
      "It is full: `maxmemory` with `noeviction` refuses writes.",
    ],
    mitigate: [
      "Bring Redis back, or give it memory.",
      "Do not restart gateways meanwhile: a stop waits `upstream.drainMs` for what is not written, and no longer.",
      "Where no event may be lost, set `upstream.away` to refuse.",
    ],
    over: "Everything was written for five minutes.",
  },
};
