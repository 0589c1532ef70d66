import { createServer } from "node:http";
import { toNodeListener } from "sluice/edge/node";
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

const server = createServer(toNodeListener(chat));
server.listen(Number(process.env.PORT ?? 8787), process.env.HOST ?? "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  console.log(`listening on port ${port}`);
});
