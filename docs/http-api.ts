import { exampleBlocks, fieldTable, nameIn, parameterTable, statusTable } from "./fields.ts";
import { code, page, table } from "./markdown.ts";
import { type Document, follow, type Operation, openApiDocument, type Schema } from "./schemas.ts";

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
      "served as OpenAPI 3.1 at `GET /v1/openapi.json`, and stands in [openapi.json](openapi.json); the " +
      "commands alone are a JSON Schema in [schemas/commands.json](schemas/commands.json). `Content-Type` says whether a body is JSON or " +
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
  const parts = [`## ${title}`, operation.summary, ...parameterTable(operation, document)];
  const media = Object.entries(operation.requestBody?.content ?? {});
  const body = media[0]?.[1].schema;
  if (body) {
    parts.push(`Body (${media.map(([type]) => code(type)).join(", ")}):`);
    parts.push(...bodyOf(body, document));
  }
  parts.push(statusTable(operation, document));
  return parts.join("\n\n");
}

function bodyOf(schema: Schema, document: Document): string[] {
  const real = follow(schema, document.components.schemas);
  if (!real.properties)
    return ["One command, or a list of them; see the routes of the single commands."];
  return [fieldTable(real, document), ...exampleBlocks(nameIn(schema), document)];
}
