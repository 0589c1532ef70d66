import { createChat } from "./chat.ts";

// The part of Bun's types that this file uses, so that it compiles without Bun.
declare const Bun: {
  readonly env: Readonly<Record<string, string | undefined>>;
  serve(options: {
    hostname: string;
    port: number;
    fetch: (request: Request) => Promise<Response>;
  }): { readonly port: number };
};

const read = (name: string): string => {
  const value = Bun.env[name];
  if (value === undefined) throw new Error(`set ${name}`);
  return value;
};

const chat = createChat({
  SLUICE_SECRET: read("SLUICE_SECRET"),
  SLUICE_URL: read("SLUICE_URL"),
  SLUICE_KEY: read("SLUICE_KEY"),
});
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(Bun.env.PORT ?? 8787),
  fetch: chat,
});
console.log(`listening on port ${server.port}`);
