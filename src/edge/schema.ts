import { Refusal } from "./refusal.ts";

/**
 * A schema of zod, valibot, arktype or another library of the Standard Schema specification, whose
 * interface is copied here as far as it is used.
 */
export interface Schema<Output> {
  /** What the specification prescribes. */
  readonly "~standard": {
    /** Returns the value as the schema makes it, or what does not fit. */
    readonly validate: (value: unknown) => Checked<Output> | Promise<Checked<Output>>;
  };
}

type Checked<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a client is told of arguments that do not fit: `data` of the error that its ack gets. */
export interface BadArgs {
  /** Always this. */
  readonly code: "BAD_ARGS";
  /** At most five; paths such as `1.text` and messages have at most 200 characters. */
  readonly issues: readonly {
    /** Where in the list of arguments, such as `1.text`. */
    readonly path: string;
    /** What is wrong there. */
    readonly message: string;
  }[];
}

const ISSUES_MAX = 5;
const CHARS_MAX = 200;

/**
 * Resolves with what a schema makes of an event's arguments. Rejects with a {@link Refusal} that
 * has {@link BadArgs}, or with what the schema itself throws.
 */
export async function readArgs(
  schema: Schema<readonly unknown[]>,
  args: readonly unknown[],
): Promise<readonly unknown[]> {
  const checked = await schema["~standard"].validate(args);
  if (!checked.issues) return checked.value;
  const issues = checked.issues.slice(0, ISSUES_MAX).map(({ path = [], message }) => ({
    path: cut(path.map((key) => String(typeof key === "object" ? key.key : key)).join(".")),
    message: cut(withoutGiven(message)),
  }));
  const first = Object.values(issues[0] ?? {}).filter(Boolean);
  const data: BadArgs = { code: "BAD_ARGS", issues };
  throw new Refusal(["the arguments do not fit", ...first].join(": "), data);
}

/** Where libraries go on with what they were given. */
const GIVEN = /[:,]?( \((was|SyntaxError)| (but )?received )/i;
/** What arktype writes after it. */
const MUST = " must be...";

/**
 * Returns a message without what the library was given: a refusal may be logged or kept, and must
 * not carry a client's values. arktype writes "… (was 5)", "… (SyntaxError: …)" and
 * '("…") must be...', valibot "… but received 5" and ": Received 5", zod ", received …".
 *
 * Not by a pattern that ends somewhere: the value may be a megabyte of what such a pattern begins
 * with, and would be searched to its end from each of these places.
 */
function withoutGiven(message: string): string {
  const [from, to] = [message.indexOf(" ("), message.lastIndexOf(MUST)];
  const text = from >= 0 && from < to ? message.slice(0, from) + message.slice(to) : message;
  const at = text.search(GIVEN);
  return at < 0 ? text : text.slice(0, at);
}

function cut(text: string): string {
  return text.slice(0, CHARS_MAX);
}
