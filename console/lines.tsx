import { clock, useAsked } from "./asked.ts";
import { show } from "./connect.ts";
import { get } from "./gateway.ts";
import { Problem, Scroller } from "./parts.tsx";

interface Line {
  readonly at: number;
  readonly level: string;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const EVERY_MS = 5000;

/** The latest warnings and errors of the log, the newest first; of one component, if it is named. */
export function Lines({
  title,
  component,
}: {
  readonly title: string;
  readonly component?: string;
}) {
  const { value, problem } = useAsked(
    () => get<{ lines: Line[] }>("console/lines"),
    "lines",
    EVERY_MS,
  );
  const lines = value?.lines
    .filter(({ fields }) => component === undefined || fields.component === component)
    .toReversed();
  return (
    <section class="card" aria-label={title}>
      <h2>{title}</h2>
      <Problem text={problem} />
      {lines?.length === 0 && <p class="hint">There are none.</p>}
      {lines !== undefined && lines.length > 0 && (
        <Scroller label={`${title}, lines`}>
          {lines.map(({ at, level, text, fields }) => (
            <p key={`${at} ${text} ${show(fields)}`} class="line">
              {clock(at)} <span class={level === "error" ? "problem" : ""}>{level}</span> {text}{" "}
              <span class="hint">
                {Object.entries(fields)
                  .map(([name, one]) => `${name}=${typeof one === "string" ? one : show(one)}`)
                  .join(" ")}
              </span>
            </p>
          ))}
        </Scroller>
      )}
    </section>
  );
}
