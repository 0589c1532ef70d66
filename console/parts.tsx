import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { Refused } from "./gateway.ts";

/** Why something is not there, told to everyone; nothing if there is no problem. */
export function Problem({ text }: { readonly text: string }) {
  return (
    <p role="alert" class="problem">
      {text}
    </p>
  );
}

/** A region that scrolls, also by keyboard. */
export function Scroller({
  label,
  kind = "lines",
  children,
}: {
  readonly label: string;
  readonly kind?: "lines" | "wide-table";
  readonly children: ComponentChildren;
}) {
  const about = { role: "region", "aria-label": label, tabIndex: 0 } as const;
  return (
    <div class={kind} {...about}>
      {children}
    </div>
  );
}

/** A table that scrolls sideways where it is too wide. */
export function Table({
  label,
  heads,
  children,
}: {
  readonly label: string;
  readonly heads: readonly string[];
  readonly children: ComponentChildren;
}) {
  return (
    <Scroller label={label} kind="wide-table">
      <table>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </Scroller>
  );
}

/** A value as JSON, over several lines. */
export function Json({ label, value }: { readonly label: string; readonly value: unknown }) {
  const about = { role: "region", "aria-label": label, tabIndex: 0 } as const;
  return <pre {...about}>{JSON.stringify(value, null, 2) ?? "undefined"}</pre>;
}

/** Something that is to be done once it was confirmed. */
export interface Deed {
  /** What it is, as a question: `Disconnect abc?` */
  readonly question: string;
  readonly detail?: string;
  /** Resolves with what became of it, in a sentence. */
  readonly act: () => Promise<string>;
}

/** Shows what is known, a name and a text each. */
export function Facts({ of }: { readonly of: readonly (readonly [string, string])[] }) {
  return (
    <dl class="facts">
      {of.map(([fact, text]) => (
        <div key={fact}>
          <dt>{fact}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Returns what asks once before a deed, and the dialog that asks; put that into the view. */
export function useConfirmed() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [deed, setDeed] = useState<Deed>();
  const [outcome, setOutcome] = useState<{ text: string; isGood: boolean }>();
  const ask = (wanted: Deed): void => {
    setDeed(wanted);
    setOutcome(undefined);
    dialog.current?.showModal();
  };
  const act = (): void => {
    dialog.current?.close();
    deed?.act().then(
      (text) => setOutcome({ text, isGood: true }),
      (error: Error) =>
        setOutcome({ text: error instanceof Refused ? error.message : `${error}`, isGood: false }),
    );
  };
  const element = (
    <>
      <dialog ref={dialog} aria-label="Confirm">
        <p>{deed?.question}</p>
        {deed?.detail && <pre>{deed.detail}</pre>}
        <p class="fields">
          <button type="button" onClick={act}>
            Yes
          </button>
          <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </p>
      </dialog>
      <p role="status" class={outcome?.isGood ? "good" : "problem"}>
        {outcome?.text}
      </p>
    </>
  );
  return { ask, element };
}
