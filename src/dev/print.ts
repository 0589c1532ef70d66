import { isRecord } from "../core/tagged-json.ts";
import { type Paint, showText } from "../core/terminal.ts";
import { type Attempt, type AttemptAnswer, parse, summarize } from "./attempt.ts";

/** Characters of one value that are shown. */
const VALUE_CHARS = 80;
/** Characters that are shown of an answer that is no JSON, and of why a function failed. */
const TEXT_CHARS = 300;
/** Events of a batch, and commands of an answer, that are shown. */
const LISTED_MAX = 10;

function cut(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars - 1)}…` : text;
}

const showValue = (value: unknown) => showText(cut(JSON.stringify(value) ?? "", VALUE_CHARS));

/** A name as it is, if it is a plain one; else in quotes. */
const showName = (name: unknown) =>
  typeof name === "string" && /^[^\s"(),]{1,80}$/u.test(name) ? showText(name) : showValue(name);

const showArgs = (args: unknown) =>
  Array.isArray(args) ? `(${args.map(showValue).join(", ")})` : "()";

/**
 * Returns the lines that tell of an attempt: the time, what came of it, its number in the
 * recording, what it called; then what was answered, indented.
 */
export function describeAttempt(attempt: Attempt, paint: Paint): string[] {
  const { answer, failed } = attempt;
  const time = new Date(attempt.at).toTimeString().slice(0, 8);
  const status = answer ? String(answer.status) : "—";
  const colour = colourOf(answer);
  const again = attempt.attempt > 1 ? paint("yellow", `  attempt ${attempt.attempt}`) : "";
  const { what, where, more } = describeCall(attempt);
  const { pathname, search } = new URL(attempt.url);
  const head = [
    paint("dim", time),
    paint(colour, status.padStart(3)),
    `${attempt.ms} ms`.padStart(8),
    paint("dim", `#${attempt.call}`),
    paint("cyan", what),
    `${where}${again} ${paint("dim", `→ ${showText(decode(pathname + search))}`)}`,
  ].join("  ");
  const told = answer ? "not taken" : "no answer";
  const why = failed === undefined ? [] : [paint("red", `${told}: ${showText(failed)}`)];
  const said = answer ? describeAnswer(answer, paint) : [];
  return [head, ...[...more, ...said, ...why].map((line) => `          ${line}`)];
}

function colourOf(answer: AttemptAnswer | undefined): "green" | "yellow" | "red" {
  if (!answer || answer.status >= 500) return "red";
  return answer.status < 300 ? "green" : "yellow";
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function describeCall(attempt: Attempt) {
  const { kind, data } = summarize(attempt);
  if (kind === "batch" && Array.isArray(data)) {
    const events = data
      .slice(0, LISTED_MAX)
      .map((one: unknown) => describeOne("event", dataOf(one)));
    const rest = data.length - events.length;
    return {
      what: `batch of ${data.length}`,
      where: `id ${showText(attempt.id)}`,
      more: [
        ...events.map(({ what, where }) => `${what}  ${where}`),
        ...(rest > 0 ? [`and ${rest} more`] : []),
      ],
    };
  }
  return { ...describeOne(kind, data), more: [] };
}

const dataOf = (event: unknown) => (isRecord(event) ? event.data : undefined);

function describeOne(
  kind: string,
  data: unknown,
): { readonly what: string; readonly where: string } {
  const body = isRecord(data) ? data : {};
  const socket = isRecord(body.socket) ? body.socket : {};
  const user = socket.userId === undefined ? "" : ` as ${showName(socket.userId)}`;
  const where = `${showName(socket.namespace)} ${showName(socket.id)}${user}`;
  return { what: describeWhat(kind, body, socket), where };
}

function describeWhat(
  kind: string,
  body: Record<string, unknown>,
  socket: Record<string, unknown>,
): string {
  if (kind === "event") return `${showName(body.event)}${showArgs(body.args)}`;
  if (kind === "disconnect") return `disconnect (${showName(body.reason)})`;
  if (kind !== "connect") return showName(kind);
  const { auth } = isRecord(socket.handshake) ? socket.handshake : {};
  return `connect auth ${showValue(auth)}`;
}

function describeAnswer(answer: AttemptAnswer, paint: Paint): string[] {
  const text = answer.body ?? "";
  if (answer.base64 !== undefined) return [paint("red", "the answer is no text")];
  if (text.trim() === "") return [];
  const body = parse(text);
  if (answer.status >= 300) return [paint(colourOf(answer), describeRefusal(text, body))];
  if (!isRecord(body)) {
    return [paint("red", `the answer is no object: ${showText(cut(text, TEXT_CHARS))}`)];
  }
  const { answers, failed, ...own } = body;
  return [
    ...describeSaid(own),
    // A batch has what it says under the ids of its events.
    ...(Array.isArray(answers) ? answers : []).flatMap((one: unknown) =>
      isRecord(one) ? describeSaid(one) : [],
    ),
    ...(Array.isArray(failed) && failed.length > 0
      ? [paint("red", `failed ${showText(cut(JSON.stringify(failed), TEXT_CHARS))}`)]
      : []),
  ];
}

function describeSaid({ ack, commands, ...rest }: Record<string, unknown>): string[] {
  const members = Object.entries(rest).map(
    ([name, value]) => `${showName(name)} ${showValue(value)}`,
  );
  const first = [...(Array.isArray(ack) ? [`ack${showArgs(ack)}`] : []), ...members];
  return [...(first.length > 0 ? [first.join(", ")] : []), ...describeCommands(commands)];
}

/** What a function says when it refuses or fails: `message` and `data`, or a problem's `detail`. */
function describeRefusal(text: string, body: unknown): string {
  const { message, data, title, detail } = isRecord(body) ? body : {};
  const said = [message, title, detail].filter((one) => typeof one === "string");
  const words = said.length > 0 ? said.join(": ") : text;
  return showText(cut(words, TEXT_CHARS)) + (data === undefined ? "" : ` ${showValue(data)}`);
}

function describeCommands(commands: unknown): string[] {
  if (!Array.isArray(commands)) return [];
  const lines = commands.slice(0, LISTED_MAX).map(describeCommand);
  const rest = commands.length - lines.length;
  return rest > 0 ? [...lines, `and ${rest} commands more`] : lines;
}

function describeCommand(command: unknown): string {
  if (!isRecord(command)) return showValue(command);
  const { do: name, event, args, ...rest } = command;
  const call = event === undefined ? "" : ` ${showName(event)}${showArgs(args ?? [])}`;
  const members = Object.entries(rest).map(([key, value]) => {
    const names = Array.isArray(value) ? `[${value.map(showName).join(", ")}]` : showName(value);
    return ` ${showName(key)} ${names}`;
  });
  return `${showName(name)}${call}${members.join("")}`;
}
