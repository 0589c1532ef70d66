import { createChat } from "./chat.ts";

// The part of Deno's types that this file uses, so that it compiles without Deno.
declare const Deno: {
  readonly env: { get(name: string): string | undefined };
  serve(
    options: { hostname: string; port: number; onListen(address: { port: number }): void },
    handler: (request: Request) => Promise<Response>,
  ): unknown;
};

const read = (name: string): string => {
  const value = Deno.env.get(name);
  if (value === undefined) throw new Error(`set ${name}`);
  return value;
};

const chat = createChat({
  SLUICE_SECRET: read("SLUICE_SECRET"),
  SLUICE_URL: read("SLUICE_URL"),
  SLUICE_KEY: read("SLUICE_KEY"),
});
Deno.serve(
  {
    hostname: "127.0.0.1",
    port: Number(Deno.env.get("PORT") ?? 8787),
    onListen: ({ port }) => console.log(`listening on port ${port}`),
  },
  chat,
);
