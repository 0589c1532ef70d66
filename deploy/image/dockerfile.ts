/** One instruction of a Dockerfile. */
export interface Instruction {
  readonly line: number;
  readonly word: string;
  /** Its `--name=value` flags. */
  readonly flags: Readonly<Record<string, string>>;
  /** Everything after the flags, continuation lines joined. */
  readonly rest: string;
}

/** One `FROM` and what follows it. */
export interface Stage {
  readonly from: string;
  /** The name given with `AS`, or its position. */
  readonly name: string;
  readonly steps: readonly Instruction[];
}

const WORDS = new Set(
  "FROM RUN COPY ENV WORKDIR USER EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD LABEL".split(" "),
);

/**
 * Reads a Dockerfile into its stages.
 *
 * It knows the instructions that Sluice's own file uses and throws on every other one, with its
 * line: a replay that skips what it does not understand would prove nothing.
 */
export function readDockerfile(text: string): readonly Stage[] {
  const stages: { from: string; name: string; steps: Instruction[] }[] = [];
  for (const step of readInstructions(text)) {
    if (step.word === "FROM") {
      const match = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(step.rest);
      if (!match?.[1]) throw new Error(`line ${step.line}: FROM ${step.rest} is not understood`);
      stages.push({ from: match[1], name: match[2] ?? String(stages.length), steps: [] });
      continue;
    }
    const stage = stages.at(-1);
    if (!stage) throw new Error(`line ${step.line}: ${step.word} stands before the first FROM`);
    stage.steps.push(step);
  }
  if (stages.length === 0) throw new Error("the Dockerfile has no FROM");
  return stages;
}

function readInstructions(text: string): Instruction[] {
  const found: Instruction[] = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const start = i + 1;
    let whole = (lines[i] ?? "").trim();
    if (whole === "" || whole.startsWith("#")) continue;
    while (whole.endsWith("\\")) whole = `${whole.slice(0, -1)}${(lines[++i] ?? "").trim()}`;
    found.push(readInstruction(whole, start));
  }
  return found;
}

function readInstruction(whole: string, line: number): Instruction {
  const [word = "", ...words] = whole.split(/\s+/);
  const name = word.toUpperCase();
  if (!WORDS.has(name)) throw new Error(`line ${line}: ${word} is not understood`);
  if (whole.includes("<<")) throw new Error(`line ${line}: here-documents are not understood`);
  const flags: Record<string, string> = {};
  while (words[0]?.startsWith("--")) {
    const [key = "", value = ""] = (words.shift() ?? "").slice(2).split("=");
    flags[key] = value;
  }
  return { line, word: name, flags, rest: words.join(" ") };
}

/** Returns the words of an instruction in its JSON form; throws on the shell form. */
export function readExec(step: Instruction, text = step.rest): readonly string[] {
  const words: unknown = text.startsWith("[") ? JSON.parse(text) : undefined;
  if (!Array.isArray(words) || !words.every((one) => typeof one === "string"))
    throw new Error(`line ${step.line}: ${step.word} must be a JSON list: a shell eats signals`);
  return words;
}

/**
 * Returns whether `path` of the context reaches the build under this `.dockerignore`.
 *
 * Understood is the form "`*`, then `!` exceptions"; any other pattern throws.
 */
export function createContextFilter(ignore: string): (path: string) => boolean {
  const patterns = ignore
    .split("\n")
    .map((one) => one.trim())
    .filter((one) => one !== "" && !one.startsWith("#"));
  const [first, ...rest] = patterns;
  if (first !== "*") throw new Error(".dockerignore must begin with * and list exceptions");
  const allowed = rest.map((one) => {
    if (!/^![\w./-]+$/.test(one)) throw new Error(`.dockerignore: ${one} is not understood`);
    return one.slice(1);
  });
  return (path) => allowed.some((one) => path === one || path.startsWith(`${one}/`));
}
