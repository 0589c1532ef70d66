import { readFileSync } from "node:fs";
import { describeApi } from "../src/api/openapi.ts";
import { listRoutes } from "../src/api/routes.ts";
import { readSettings } from "../src/core/settings.ts";
import { code, page, table } from "./markdown.ts";

interface Schema {
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
  readonly required?: readonly string[];
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface Operation extends Content {
  readonly operationId: string;
  readonly summary: string;
  readonly security?: unknown;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: Schema;
    readonly description: string;
  }[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content & { readonly description: string }>>;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** Returns the OpenAPI document as the gateway serves it with the default settings. */
function openApiDocument(): Document {
  const about = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(about) as { version: string }; // npm's own file
  // What describeApi builds has the shape above; test/api checks it against OpenAPI's schema.
  return describeApi(listRoutes(readSettings({}).metrics.path), version) as unknown as Document;
}

/** Returns the page of the HTTP API, from its OpenAPI document. */
export function httpApiPage(): string {
  const document = openApiDocument();
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      title: `${method.toUpperCase()} ${path}`,
      operation,
    })),
  );
  return page(
    "HTTP API",
    "Served on `api.port`, or on the port of Socket.IO while that is 0. The same description is " +
      "served as OpenAPI 3.1 at `GET /v1/openapi.json`. `Content-Type` says whether a body is JSON or " +
      "msgpack; `Accept` chooses the format of the answer. Requests marked *key* need " +
      "`Authorization: Bearer` with an API key (`api.keys`) or a token. Errors are problem documents " +
      "(RFC 9457) whose `code` is a row of [the failures](failures.md).",
    "Bodies may be compressed with gzip, deflate or br, named in `Content-Encoding`. " +
      "`api.bodyBytesMax` also bounds the inflated body. Streams of lines cannot be compressed.",
    "In msgpack, bytes are bytes. In JSON, requests and answers write bytes as the calls of functions " +
      "do: see [how values travel](functions.md#how-values-travel).",
    table(
      ["Request", "What it does", ""],
      operations.map(({ title, operation }) => [
        `[\`${title}\`](#${title
          .toLowerCase()
          .replaceAll(/[^\w -]/g, "")
          .replaceAll(" ", "-")})`,
        operation.summary,
        operation.security === undefined ? "" : "*key*",
      ]),
    ),
    ...operations.map(({ title, operation }) => section(title, operation, document)),
  );
}

function section(title: string, operation: Operation, document: Document): string {
  const parts = [`## ${title}`, operation.summary];
  const { parameters = [], requestBody, responses } = operation;
  if (parameters.length > 0) {
    parts.push(
      table(
        ["Parameter", "In", "Type", "What it is"],
        parameters.map((one) => [code(one.name), one.in, typeOf(one.schema), one.description]),
      ),
    );
  }
  const media = Object.entries(requestBody?.content ?? {});
  const body = media[0]?.[1].schema;
  if (body) {
    parts.push(`Body (${media.map(([type]) => code(type)).join(", ")}):`);
    parts.push(fieldsOf(body, document));
  }
  parts.push(
    table(
      ["Status", "When"],
      Object.entries(responses).map(([status, one]) => [status, one.description]),
    ),
  );
  return parts.join("\n\n");
}

function fieldsOf(schema: Schema, document: Document): string {
  const name = schema.$ref?.split("/").at(-1) ?? "";
  const real = document.components.schemas[name] ?? schema;
  if (!real.properties)
    return "One command, or a list of them; see the routes of the single commands.";
  const required = new Set(real.required);
  return table(
    ["Field", "Type", "", "What it is"],
    Object.entries(real.properties)
      .filter(([field, one]) => !(field === "do" && one.const !== undefined && !required.has("do")))
      .map(([field, one]) => [
        code(field),
        typeOf(one),
        required.has(field) ? "required" : "",
        one.description ?? "",
      ]),
  );
}

function typeOf(schema: Schema): string {
  const { minimum, maximum, maxLength, maxItems, items } = schema;
  const kinds = typeof schema.type === "string" ? [schema.type] : (schema.type ?? []);
  const one = schema.const !== undefined ? JSON.stringify(schema.const) : kinds.join(" or ");
  const name = schema.enum ? schema.enum.map((value) => JSON.stringify(value)).join(" or ") : one;
  return [
    name === "array" && items ? `list of ${typeOf(items)}` : name === "" ? "anything" : name,
    ...(minimum !== undefined && maximum !== undefined ? [`${minimum}…${maximum}`] : []),
    ...(maxLength !== undefined ? [`at most ${maxLength} characters`] : []),
    ...(maxItems !== undefined ? [`at most ${maxItems}`] : []),
    ...(schema.default !== undefined ? [`default ${code(JSON.stringify(schema.default))}`] : []),
  ].join(", ");
}
