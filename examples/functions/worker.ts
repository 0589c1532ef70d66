import { createChat, type Env } from "./chat.ts";

/** The chat on Cloudflare Workers: `env` holds the worker's bindings. */
export default {
  fetch: (request: Request, env: Env): Promise<Response> => createChat(env)(request),
};
