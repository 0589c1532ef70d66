import type { HttpHandler } from "../core/http.ts";
import type { Settings } from "../core/settings.ts";

/** What is served on one port. */
export interface Served {
  /** Whether Socket.IO clients connect to this port. */
  readonly clients: boolean;
  /** Whether the API answers on this port. */
  readonly api: boolean;
  /** Whether the API has the console. */
  readonly console: boolean;
}

/** One line of the page: a path on this port, and what is there. */
type Line = readonly [path: string, text: string];

/**
 * Returns the handler of `GET /`: a page that says what this port is and what it serves, as HTML
 * for browsers and as plain text for others.
 *
 * The text depends on the settings alone and holds no key and no version. Serve it only while
 * somebody develops: in production it would tell strangers where to look.
 */
export function createHintPage(settings: Settings, served: Served): HttpHandler {
  const lines = listLines(settings, served);
  const html = formatHtml(lines);
  const text = formatText(lines);
  return ({ headers, respond }) => {
    const isHtml = /\btext\/html\b/.test(headers.accept ?? "");
    respond({
      status: 200,
      headers: {
        "content-type": `text/${isHtml ? "html" : "plain"}; charset=utf-8`,
        "cache-control": "no-store",
        vary: "accept",
      },
      body: isHtml ? html : text,
    });
  };
}

function listLines({ socket, metrics }: Settings, served: Served): Line[] {
  return [
    ...(served.clients ? [[socket.path, "Socket.IO clients connect here"] as const] : []),
    ...(served.console
      ? [["/console", "the console; the log has a link with its key"] as const]
      : []),
    ...(served.api
      ? [
          [metrics.path, "metrics, for Prometheus"] as const,
          ["/v1/openapi.json", "what the HTTP API can do"] as const,
          ["/healthz", "whether the process lives"] as const,
          ["/readyz", "whether it takes new connections"] as const,
        ]
      : []),
  ];
}

const TITLE = "This is a Sluice gateway.";
const WHEN = "This page is shown only while you develop. In production this path answers 404.";
const CLIENT = 'Connect with socket.io-client: io("ADDRESS"), with the address of this page.';

function formatText(lines: readonly Line[]): string {
  const width = Math.max(...lines.map(([path]) => path.length));
  const rows = lines.map(([path, text]) => `  ${path.padEnd(width)}  ${text}\n`);
  return `${TITLE}\n\n${rows.join("")}\n${CLIENT}\n${WHEN}\n`;
}

// Without styles, so that the policy of every response, which allows nothing, holds here too.
function formatHtml(lines: readonly Line[]): string {
  // Nothing to escape: paths are letters, digits and "-./_" (the settings table).
  const rows = lines.map(([path, text]) => `<li><a href="${path}">${path}</a>: ${text}</li>\n`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Sluice</title>
<h1>${TITLE}</h1>
<ul>
${rows.join("")}</ul>
<p>${CLIENT}</p>
<p>${WHEN}</p>
</html>
`;
}
