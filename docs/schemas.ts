import { readFileSync } from "node:fs";
import { describeApi } from "../src/api/openapi.ts";
import { listRoutes } from "../src/api/routes.ts";
import { readSettings } from "../src/core/settings.ts";
import { SCHEMAS_REF } from "../src/core/value-schema.ts";
import { writeJson } from "./markdown.ts";

/** The members of JSON Schema that the pages show. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly description?: string;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly examples?: readonly unknown[];
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

/** A parameter of an operation. */
export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema: Schema;
  readonly description: string;
}

/** A response of an operation. */
export interface Answer extends Content {
  readonly description: string;
}

/** One route, or one webhook. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly security?: unknown;
  readonly parameters?: readonly (Parameter | { readonly $ref: string })[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Answer | { readonly $ref: string }>>;
}

/** The parts of an OpenAPI document that the pages show. */
export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly webhooks: Readonly<Record<string, { readonly post: Operation }>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly parameters: Readonly<Record<string, Parameter>>;
    readonly responses: Readonly<Record<string, Answer>>;
  };
}

/** Returns the OpenAPI document as the gateway serves it with the default settings. */
export function openApiDocument(): Document {
  const about = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(about) as { version: string }; // npm's own file
  // What describeApi builds has the shape above; test/api checks it against OpenAPI's schema.
  return describeApi(listRoutes(readSettings({}).metrics.path), version) as unknown as Document;
}

/** Returns what a reference of the document points to, or what is none as it is. */
export function follow<T extends object>(
  given: T | { readonly $ref: string },
  among: Readonly<Record<string, T>>,
): T {
  if (!("$ref" in given) || typeof given.$ref !== "string") return given as T; // no reference
  const found = among[given.$ref.split("/").at(-1) ?? ""];
  if (!found) throw new Error(`${given.$ref} is not in the document`);
  return found;
}

/** Returns the JSON Schema of commands, in one file. */
export function commandSchemas(): string {
  return writeBundle("Commands of Sluice", ["Command", "Commands"], ["Command", "Commands"]);
}

const CALLS = ["ConnectCall", "ConnectedCall", "EventCall", "DisconnectCall", "BatchCall"];
const ANSWERS = ["ConnectAnswer", "EventAnswer", "BatchAnswer", "Refusal"];

/** Returns the JSON Schema of the calls of functions, in one file with those of their answers. */
export function callSchemas(): string {
  return writeBundle("Calls of functions, and their answers", CALLS, [...CALLS, ...ANSWERS]);
}

/** Returns the OpenAPI document as text. */
export function openApiText(): string {
  return `${writeJson(openApiDocument())}\n`;
}

function writeBundle(title: string, roots: readonly string[], names: readonly string[]): string {
  const { schemas } = openApiDocument().components;
  const wanted = new Set(names);
  // A set that grows while it is walked is walked to its end.
  for (const name of wanted) {
    const refs = JSON.stringify(schemas[name]).matchAll(/"#\/components\/schemas\/(\w+)"/g);
    for (const [, found = ""] of refs) wanted.add(found);
  }
  const text = writeJson({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title,
    anyOf: roots.map((name) => ({ $ref: SCHEMAS_REF + name })),
    $defs: Object.fromEntries([...wanted].map((name) => [name, schemas[name]])),
  });
  return `${text.replaceAll(SCHEMAS_REF, "#/$defs/")}\n`;
}
