import { Refusal } from "./refusal.ts";

/**
 * A schema of zod, valibot, arktype or another library of the Standard Schema specification, whose
 * interface is copied here as far as it is used.
 */
export interface Schema<Output> {
  readonly "~standard": {
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

/** What a client is told of arguments that do not fit: the `data` of {@link ArgsRefusal}. */
export interface BadArgs {
  readonly code: "BAD_ARGS";
  /** At most five; paths such as `1.text` and messages have at most 200 characters. */
  readonly issues: readonly { readonly path: string; readonly message: string }[];
}

/** An event whose arguments do not fit its schema. It is refused before its handler is called. */
export class ArgsRefusal extends Refusal {
  declare readonly data: BadArgs;
  constructor(issues: readonly Issue[]) {
    const told = issues.slice(0, ISSUES_MAX).map(({ path = [], message }) => ({
      path: cut(path.map((key) => String(typeof key === "object" ? key.key : key)).join(".")),
      message: cut(message.replace(QUOTED_FIRST, "").replace(QUOTED, "")),
    }));
    const [{ path, message } = { path: "", message: "" }] = told;
    super(`the arguments do not fit: ${[path, message].filter(Boolean).join(": ")}`, {
      code: "BAD_ARGS",
      issues: told,
    } satisfies BadArgs);
    this.name = "ArgsRefusal";
  }
}

const ISSUES_MAX = 5;
const CHARS_MAX = 200;

/**
 * Where libraries go on with what they were given: arktype "… (was 5)" and "… (SyntaxError: …)",
 * valibot "… but received 5" and ": Received 5", zod ", received …". A refusal may be logged or
 * kept, and must not carry a client's values.
 */
const QUOTED = /[:,]?( \((was|SyntaxError)| (but )?received )[\s\S]*$/i;
/** Where arktype begins with it: 'value at [0] ("…") must be...'. */
const QUOTED_FIRST = / \([\s\S]*\)(?= must be\.\.\.)/;

function cut(text: string): string {
  return text.slice(0, CHARS_MAX);
}

/**
 * Resolves with what a schema makes of an event's arguments. Rejects with {@link ArgsRefusal}, or
 * with what the schema itself throws.
 */
export async function readArgs(
  schema: Schema<readonly unknown[]>,
  args: readonly unknown[],
): Promise<readonly unknown[]> {
  const checked = await schema["~standard"].validate(args);
  if (checked.issues) throw new ArgsRefusal(checked.issues);
  return checked.value;
}
