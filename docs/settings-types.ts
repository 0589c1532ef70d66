import * as z from "zod/mini";
import { SETTINGS } from "../src/core/settings.ts";

/** The members of JSON Schema that the settings use. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly secret?: boolean;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

/**
 * Returns the source of the types of settings, as callers give and get them. Editors show the
 * docstrings only of members that are written out: not of an inferred type, nor of one that is
 * mapped from another. And an inferred type would need zod where Sluice is installed.
 */
export function settingsTypes(): string {
  const read = (io: "input" | "output", description: string): Schema => ({
    ...(z.toJSONSchema(SETTINGS, { io }) as Schema),
    description,
  });
  const given = read("input", "Any part of the settings, as a caller may give them.");
  const complete = read("output", "All settings, complete and within their bounds.");
  return [
    "// Generated from the schemas of the settings by `npm run docs`.",
    ...writeInterface("Partial", given),
    ...writeInterface("", complete),
    "",
  ].join("\n");
}

/** Returns the interface of an object, after those of the objects in it. */
function writeInterface(name: string, schema: Schema): readonly string[] {
  const before: string[] = [];
  const members = Object.entries(schema.properties ?? {}).map(([key, member]) => {
    const inner = `${name}${key.charAt(0).toUpperCase()}${key.slice(1)}`;
    const object = member.items ?? member;
    if (object.type === "object") before.push(...writeInterface(inner, object));
    const type = typeOf(member, `${inner}Settings`);
    const isRequired = schema.required?.includes(key) === true;
    return [
      ...writeComment(describe(key, member), "  "),
      isRequired ? `  ${key}: ${type};` : `  ${key}?: ${type} | undefined;`,
    ];
  });
  const isWhole = name === "Partial" || name === "";
  const head = isWhole ? "export interface" : "interface";
  const comment = writeComment([schema.description ?? ""], "");
  return [...before, "", ...comment, `${head} ${name}Settings {`, ...members.flat(), "}"];
}

function typeOf({ type = "unknown", items, ...schema }: Schema, name: string): string {
  if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
  if (type === "integer") return "number";
  if (type === "object") return name;
  if (!items) return type;
  return items.enum ? `(${typeOf(items, name)})[]` : `${typeOf(items, name)}[]`;
}

const UNITS: readonly (readonly [RegExp, string])[] = [
  [/Ms(Max)?$/, "milliseconds"],
  [/(Bytes(Max|PerSecond|Burst)?|^bytes(PerSecond|Burst))$/, "bytes"],
  [/Percent$/, "percent"],
];

/** Returns the two parts of a docstring: what a setting is; its default with unit and bounds. */
function describe(name: string, schema: Schema): readonly string[] {
  const { description = "", default: given, type } = schema;
  if (given === undefined || type === "object") return [description];
  const isNone = given === "" || (Array.isArray(given) && given.length === 0);
  const bound = boundOf(name, schema);
  const byDefault = isNone ? "none" : JSON.stringify(given);
  return [description, `Default: ${byDefault}${bound && ` (${bound})`}.`];
}

function boundOf(name: string, schema: Schema): string {
  const { secret, minimum, maximum, pattern, maxLength, maxItems } = schema;
  const unit = UNITS.find(([names]) => names.test(name))?.[1];
  if (minimum !== undefined) return `${minimum}…${maximum}${unit ? ` ${unit}` : ""}`;
  if (secret) return "never printed";
  if (maxItems !== undefined) return schema.items?.enum ? "" : `at most ${maxItems}`;
  if (pattern !== undefined) return `matches \`${pattern.replaceAll("\\/", "/")}\``;
  return maxLength === undefined ? "" : `at most ${maxLength} characters`;
}

/** Returns a docstring in lines of at most 100 columns. */
function writeComment(parts: readonly string[], indent: string): readonly string[] {
  const safe = parts.map((part) => part.replaceAll("*/", "*\\/"));
  const one = `${indent}/** ${safe.join(" ")} */`;
  if (one.length <= 100) return [one];
  const lines = safe.flatMap((part) => wrap(part, 97 - indent.length));
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`];
}

function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= columns) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
