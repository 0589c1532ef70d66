const GENERATED = "<!-- Written by `npm run docs` from the tables in src/; do not edit. -->";

/** Returns a generated page: title, the warning not to edit it, its parts. */
export function page(title: string, ...parts: readonly string[]): string {
  return `${[`# ${title}`, GENERATED, ...parts].join("\n\n")}\n`;
}

/** Returns a Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

/** Returns text in code font. */
export function code(text: string): string {
  return `\`${text}\``;
}

/** Returns text with a capital and a full stop. Names in code font keep their case. */
export function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

const COLUMNS = 100;

/** Returns JSON in which whatever fits on one line stands on one. */
export function writeJson(value: unknown, indent = ""): string {
  const short = writeShort(value);
  if (typeof value !== "object" || value === null) return short;
  if (indent.length + short.length <= COLUMNS) return short;
  const deeper = `${indent}  `;
  const lines = membersOf(value, (one) => writeJson(one, deeper)).join(`,\n${deeper}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${deeper}${lines}\n${indent}${close}`;
}

function writeShort(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = membersOf(value, writeShort).join(", ");
  return Array.isArray(value) ? `[${members}]` : members === "" ? "{}" : `{ ${members} }`;
}

function membersOf(value: object, write: (one: unknown) => string): readonly string[] {
  if (Array.isArray(value)) return value.map(write);
  return Object.entries(value)
    .filter(([, one]) => one !== undefined)
    .map(([key, one]) => `${JSON.stringify(key)}: ${write(one)}`);
}
