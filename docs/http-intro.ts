import { FAILURES } from "../src/core/failures.ts";
import { writeJson } from "./markdown.ts";

/** What the page of the HTTP API says before its routes: a first request, keys, bodies, errors. */
export const HTTP_INTRO: readonly string[] = [
  "Send events and other commands to clients, list who is connected, and read metrics, over HTTP. " +
    "Start a gateway with an API key:",
  "```sh\nSLUICE_API_KEYS=backend:9f86d081884c7d65 npx sluice     # in a clone: npm start\n```",
  "Then send a request, from another terminal:",
  "```sh\nexport SLUICE_URL=http://localhost:3000\n" +
    "export SLUICE_KEY=9f86d081884c7d65     # the secret alone\n" +
    'curl "$SLUICE_URL/v1/emit" \\\n  -H "Authorization: Bearer $SLUICE_KEY" \\\n' +
    '  -H "Content-Type: application/json" \\\n' +
    `  -d '{ "event": "news", "args": ["hello"] }'\n\`\`\``,
  "Answers `200`:",
  '```json Done\n{ "ok": true }\n```',
  "Every curl on this page uses these two variables. Every connected client now gets the event " +
    "`news` with `hello`.",
];

/** How a key is set and sent. */
export const HTTP_KEYS: readonly string[] = [
  "## How to send a key",
  "Send the secret in the header `Authorization: Bearer <secret>`. Send the secret **alone**. The id " +
    "before it is for you: it tells your keys apart.",
  "| Header | Answer |\n| --- | --- |\n" +
    "| `Authorization: Bearer 9f86d081884c7d65` | `200` |\n" +
    "| `Authorization: Bearer backend:9f86d081884c7d65` | `401`: the id is not part of the secret |\n" +
    "| no header, or another secret | `401` |\n" +
    "| the right secret, for a command that the key does not allow | `403 API_FORBIDDEN` |\n" +
    "| anything, while no key is set | `403 API_NO_KEY` |",
  "```sh\n" + 'curl "$SLUICE_URL/v1/rooms" -H "Authorization: Bearer backend:$SLUICE_KEY"\n```',
  "Answers `401`:",
  `\`\`\`json Problem\n${writeJson({
    type: "about:blank",
    title: FAILURES.API_UNAUTHENTICATED.text,
    status: 401,
    code: "API_UNAUTHENTICATED",
    detail: "send the secret alone, without the id before it",
  })}\n\`\`\``,
  "### Set keys",
  "Keys are in `api.keys` (`SLUICE_API_KEYS`, with commas between keys), at most 100. Make a secret " +
    "with `openssl rand -hex 32`.",
  "| Key | What it allows |\n| --- | --- |\n" +
    "| `backend:SECRET` | everything |\n" +
    "| `chat:SECRET:emit+socketsJoin` | two commands, in every namespace |\n" +
    "| `game:SECRET:emit:/chat+/game*` | `emit` in `/chat` and in namespaces that begin with `/game` |\n" +
    "| `admin:SECRET:*:/admin` | everything in `/admin` |\n" +
    "| `ops:SECRET:deadLetters` | the routes of dead letters and of functions |\n" +
    "| `desk:SECRET:console` | [the console](console.md) |",
  "- The id has 1 to 64 letters, digits, `_`, `.` or `-`. No two keys have the same id.\n" +
    "- The secret has 16 to 512 characters, without spaces, colons and commas.\n" +
    "- `GET /v1/rooms` and `GET /v1/sockets` need the right to `fetchSockets`.\n" +
    "- Dead letters belong to all namespaces, so a key for some namespaces cannot read them.",
  "### Or send a JSON Web Token",
  "A service that signs tokens needs no key. Set one of `api.jwtSecret`, `api.jwtPublicKey` and " +
    "`api.jwtJwksUrl`:",
  "```sh\nexport SLUICE_API_JWT_SECRET=change-me-32-bytes-at-least-0123\n```",
  "| Claim | What it must be |\n| --- | --- |\n" +
    "| `sub` | there; it names the caller |\n" +
    "| `exp` | there, and in the future |\n" +
    '| `aud` | `"sluice-api"`, or what `api.jwtAudience` says. A token of your clients is not valid here. |\n' +
    "| `iss` | what `api.jwtIssuer` says, if it is set |\n" +
    '| `sluice` | what it allows: `{ "commands": ["emit"], "namespaces": ["/chat*"] }`. ' +
    "A list that is left out allows all. |",
  "A token without `exp` or `sluice` gets `403 API_FORBIDDEN`, any other wrong token `401`. " +
    "A valid token is remembered for 30 seconds at most. If you withdraw the key that signed it, it " +
    "works that much longer. A stream ends within five seconds of its token's expiry.",
  "```sh\nTOKEN=$(node --input-type=module -e '\n" +
    '  import { SignJWT } from "jose"; // npm install jose\n' +
    "  const secret = new TextEncoder().encode(process.env.SLUICE_API_JWT_SECRET);\n" +
    '  const token = new SignJWT({ sluice: { commands: ["emit"], namespaces: ["/"] } })\n' +
    '    .setProtectedHeader({ alg: "HS256" })\n' +
    '    .setSubject("billing")\n    .setAudience("sluice-api")\n    .setExpirationTime("5m");\n' +
    "  console.log(await token.sign(secret));\n')\n" +
    'curl "$SLUICE_URL/v1/emit" \\\n  -H "Authorization: Bearer $TOKEN" \\\n' +
    '  -H "Content-Type: application/json" \\\n' +
    `  -d '{ "event": "paid", "args": [42] }'\n\`\`\``,
  "Answers `200`:",
  '```json Done\n{ "ok": true }\n```',
];

/** Addresses, formats and errors. */
export const HTTP_BODIES: readonly string[] = [
  "## Requests and answers",
  "- **Address.** The API shares the port of Socket.IO until you set `api.port`. In production, give " +
    "it a port of its own and do not publish that.\n" +
    "- **Formats.** `Content-Type` says whether a body is JSON or msgpack. `Accept` chooses the format " +
    "of the answer; without it, the answer has the format of the request.\n" +
    "- **Bytes.** In msgpack, bytes are bytes. In JSON they are " +
    '`{"$binary":"<base64>"}`, in requests and in answers. See ' +
    "[how values travel](functions.md#how-values-travel).\n" +
    "- **Compression.** A body may be compressed with gzip, deflate or br; name it in " +
    "`Content-Encoding`. `api.bodyBytesMax` bounds the body before and after it is inflated. " +
    "A stream of lines cannot be compressed.\n" +
    "- **Once only.** A request with an `Idempotency-Key` that you have used before is not carried out " +
    "again. You get the first answer, with the header `Idempotent-Replayed: true`. Answers are kept for " +
    "`api.idempotencyMs`, by each node for itself.\n" +
    "- **Errors.** An error is a problem document (RFC 9457) with a `code` of [the " +
    "failures](failures.md), as in the `401` above. A `503` says in `Retry-After` when to try again.\n" +
    "- **Description.** The gateway serves this page as OpenAPI 3.1 at `GET /v1/openapi.json`; here it " +
    "is [openapi.json](openapi.json). The commands alone are a JSON Schema: " +
    "[schemas/commands.json](schemas/commands.json).",
];
