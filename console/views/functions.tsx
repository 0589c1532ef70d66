import { useRef, useState } from "preact/hooks";
import { clock, useAsked } from "../asked.ts";
import { short } from "../chart.tsx";
import { get, getText, post } from "../gateway.ts";
import { Lines } from "../lines.tsx";
import { bound, quantile, readMetrics, type Series, sum } from "../metrics.ts";
import type { ViewProps } from "../page.tsx";
import { Json, Problem, Table, useConfirmed } from "../parts.tsx";
import { Pages } from "./who.tsx";

const EVERY_MS = 3000;
const CALLS = "sluice_upstream_calls_total";
const BREAKERS = ["closed", "half-open", "open"];

interface Route {
  readonly name: string;
  readonly url: string;
  readonly state: "open" | "gone";
}

/** The functions that are called, how that goes, and the calls that were given up. */
export function Functions({ about }: ViewProps) {
  return (
    <>
      <Routes path={about.metricsPath} />
      <Letters />
      <Lines title="Warnings of calls" component="upstream" />
    </>
  );
}

interface Seen {
  readonly at: number;
  readonly series: readonly Series[];
}

function Routes({ path }: { readonly path: string }) {
  const before = useRef<Seen | undefined>(undefined);
  const { value, problem } = useAsked(
    async () => {
      const [{ routes }, text] = await Promise.all([
        get<{ routes: Route[] }>("v1/routes"),
        getText(path.slice(1)),
      ]);
      const now = { at: Date.now(), series: readMetrics(text) };
      const last = before.current;
      before.current = now;
      return { routes, now, last };
    },
    "routes",
    EVERY_MS,
  );
  const rate = (route: string): string => {
    if (!value?.last) return "…";
    const { now, last } = value;
    const grown = sum(now.series, CALLS, { route }) - sum(last.series, CALLS, { route });
    return short(Math.max(0, (grown * 1000) / (now.at - last.at)));
  };
  const latency = (route: string, share: number): string =>
    bound(
      quantile(value?.now.series ?? [], {
        ...{ name: "sluice_upstream_call_seconds", wanted: { route }, share },
      }),
    );
  return (
    <section class="card" aria-label="Functions">
      <h2>Functions</h2>
      <Problem text={problem} />
      <Table
        label="List of functions"
        heads={["Route", "URL", "State", "Calls a second", "Half within", "99 % within", "Failed"]}
      >
        {value?.routes.map(({ name, url, state }) => (
          <tr key={name}>
            <td>{name}</td>
            <td class="code">{url}</td>
            <td>
              {state === "gone" ? (
                <b class="problem">gone (410)</b>
              ) : (
                <Breaker {...value.now} {...{ url }} />
              )}
            </td>
            <td class="number">{rate(name)}</td>
            <td class="number">{latency(name, 0.5)}</td>
            <td class="number">{latency(name, 0.99)}</td>
            <td>
              <Failures series={value.now.series} route={name} />
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Breaker({ series, url }: { readonly series: readonly Series[]; readonly url: string }) {
  const { origin } = new URL(url);
  const state = BREAKERS[sum(series, "sluice_upstream_breaker_state", { origin })] ?? "closed";
  const open = sum(series, "sluice_upstream_inflight", { origin });
  return (
    <>
      <span class={state === "closed" ? "good" : "problem"}>breaker {state}</span>, {open} open
    </>
  );
}

/** Requests that failed since the start, by why. */
function Failures({
  series,
  route,
}: {
  readonly series: readonly Series[];
  readonly route: string;
}) {
  const byCode = new Map<string, number>();
  for (const { name, labels, value } of series) {
    const { outcome = "" } = labels;
    if (name !== CALLS || labels.route !== route || outcome === "answered" || value === 0) continue;
    byCode.set(outcome, (byCode.get(outcome) ?? 0) + value);
  }
  if (byCode.size === 0) return <span class="good">none</span>;
  return (
    <>
      {[...byCode].map(([code, count]) => (
        <div key={code}>
          <span class="problem">{short(count)}</span> {code}
        </div>
      ))}
    </>
  );
}

interface Letter {
  readonly id: string;
  readonly route: string;
  readonly reason: string;
  readonly attempts: number;
  readonly status?: number;
  readonly detail?: string;
  readonly at: number;
  readonly type: string;
  readonly namespace: string;
  readonly data: unknown;
}

interface LetterQuery extends Record<string, string> {
  route: string;
  reason: string;
  after: string;
}

function Letters() {
  const [query, setQuery] = useState<LetterQuery>({ route: "", reason: "", after: "" });
  const { value, problem, again } = useAsked(
    () =>
      get<{ deadLetters: Letter[]; next?: string }>("v1/deadletters", { ...query, limit: "50" }),
    JSON.stringify(query),
  );
  const { ask, element } = useConfirmed();
  const replay = (question: string, wanted: object): void =>
    ask({
      question,
      async act() {
        const { replayed, delivered } = await post<Record<string, number>>(
          "v1/deadletters",
          wanted,
        );
        again();
        return `${delivered} of ${replayed} were answered.`;
      },
    });
  // Both buttons do: what is replayed is what the fields say, and what the list then shows.
  const filter = (form: HTMLFormElement): LetterQuery => {
    const [route = "", reason = ""] = ["route", "reason"].map((name) =>
      String(new FormData(form).get(name)).trim(),
    );
    const wanted = { route, reason, after: "" };
    setQuery(wanted);
    return wanted;
  };
  const replayAll = (form: HTMLFormElement): void => {
    const { route, reason } = filter(form);
    const of = `${route && ` of route ${route}`}${reason && ` with reason ${reason}`}`;
    replay(`Make all calls${of} again?`, {
      ...(route && { route }),
      ...(reason && { reason }),
    });
  };
  const submitted = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    if ((event.submitter as HTMLButtonElement | null)?.value === "replay") replayAll(form);
    else filter(form);
  };
  return (
    <section class="card" aria-label="Dead letters">
      <h2>
        Dead letters <small>calls that were given up after their last attempt</small>
        <button type="button" class="quiet" onClick={again}>
          Refresh
        </button>
      </h2>
      <form class="fields" onSubmit={submitted}>
        <label>
          Route
          <input name="route" spellcheck={false} />
        </label>
        <label>
          Reason
          <input name="reason" placeholder="UPSTREAM_FAILED" spellcheck={false} />
        </label>
        <button type="submit">Filter</button>
        <button type="submit" value="replay" class="quiet">
          Replay all that match
        </button>
      </form>
      <Problem text={problem} />
      {element}
      {value?.deadLetters.map((letter) => (
        <LetterRow
          key={letter.id}
          letter={letter}
          replay={() => replay(`Make the call ${letter.id} again?`, { ids: [letter.id] })}
        />
      ))}
      {value?.deadLetters.length === 0 && <p class="hint">There are none.</p>}
      <Pages
        after={query.after}
        next={value?.next}
        turn={(after) => setQuery({ ...query, after })}
      />
    </section>
  );
}

function LetterRow({ letter, replay }: { readonly letter: Letter; readonly replay: () => void }) {
  const { id, at, route, type, reason, status, attempts, detail, namespace } = letter;
  return (
    <details>
      <summary>
        {clock(at)} <b>{route}</b> {type} <span class="problem">{reason}</span>
        {status !== undefined && ` status ${status}`}, {attempts} attempts
      </summary>
      <p>
        {detail} <span class="hint">{`${id}, namespace ${namespace}`}</span>
      </p>
      <Json label={`Call ${id}`} value={letter.data} />
      <button type="button" class="quiet" onClick={replay}>
        Replay
      </button>
    </details>
  );
}
