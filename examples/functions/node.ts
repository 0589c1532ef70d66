import { createServer, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { createChat } from "./chat.ts";

function read(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`set ${name}`);
  return value;
}

const chat = createChat({
  SLUICE_SECRET: read("SLUICE_SECRET"),
  SLUICE_URL: read("SLUICE_URL"),
  SLUICE_KEY: read("SLUICE_KEY"),
});

// What Workers and Deno do by themselves: Node's own request and response as those of the Web.
const server = createServer(async (incoming, outgoing) => {
  try {
    const response = await chat(toRequest(incoming));
    const body = Buffer.from(await response.arrayBuffer());
    outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end(body);
  } catch (error) {
    console.error(error);
    outgoing.writeHead(500).end();
  }
});
server.listen(Number(process.env.PORT ?? 8787), process.env.HOST ?? "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  console.log(`listening on port ${port}`);
});

function toRequest(incoming: IncomingMessage): Request {
  const { method = "GET", url = "/", headers } = incoming;
  const pairs = Object.entries(headers).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request(new URL(url, "http://localhost"), {
    method,
    headers: pairs,
    ...(hasBody && { body: Readable.toWeb(incoming) as ReadableStream, duplex: "half" }), // one and the same class at run time
  });
}
