import { test } from "node:test";
import { useChat } from "./chat.ts";
import { compileNest, startApp } from "./kit.ts";

test("the room chat of examples/nest works for msgpack and JSON clients, and over HTTP", async (t) => {
  const load = await compileNest(t);
  const { AppModule } = await load<"AppModule">("examples/nest/src/app.module.js");
  const { url } = await startApp(t, AppModule);
  await useChat(t, url);
});
