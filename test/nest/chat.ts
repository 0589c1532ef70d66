import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Socket } from "socket.io-client";
import { type ClientOptions, newClient } from "../harness/gateway.ts";
import { next } from "../harness/wait.ts";

/** What the example's filter tells a client. */
interface Told {
  readonly status: string;
  readonly message: string;
}

/** Does with the room chat of examples/nest what its users do, in both codecs. */
export async function useChat(t: TestContext, url: string): Promise<void> {
  const enter = async (token: string | undefined, codec: ClientOptions["codec"] = "json") => {
    const auth = token === undefined ? {} : { token };
    const client = newClient(url, { namespace: "/chat", codec, auth });
    t.after(() => client.disconnect());
    await next(client.connect(), "connect");
    return client;
  };
  const ada = await enter("token-of-ada", "msgpack");
  const bob = await enter("token-of-bob");
  await join({ ada, bob }, url);
  await refuse(await enter(undefined), ada);
  await leave({ ada, bob }, url);
}

type Two = Readonly<Record<"ada" | "bob", Socket>>;

/** Joins, and sends both ways. */
async function join({ ada, bob }: Two, url: string): Promise<void> {
  assert.deepEqual(await ada.emitWithAck("join", { room: "lobby" }), { members: 1 });
  assert.deepEqual(await bob.emitWithAck("join", { room: "lobby" }), { members: 2 });
  const response = await fetch(`${url}/rooms/lobby`);
  assert.deepEqual(await response.json(), { room: "lobby", members: 2 });
  for (const [from, client, other] of [["ada", ada, bob] as const, ["bob", bob, ada] as const]) {
    const heard = next(other, "message");
    const sent = await client.emitWithAck("message", { room: "lobby", text: "hello" });
    assert.deepEqual(sent, { heard: 1 });
    assert.deepEqual(await heard, [{ from, room: "lobby", text: "hello" }]);
  }
}

/** The guard refuses a client without a token, the pipe what is no message. */
async function refuse(stranger: Socket, ada: Socket): Promise<void> {
  const told = async (client: Socket, data: unknown) => {
    const exception = next<[Told]>(client, "exception");
    client.emit("message", data);
    return (await exception)[0];
  };
  const refused = await told(stranger, { room: "lobby", text: "let me in" });
  assert.deepEqual([refused.status, refused.message], ["error", "you need a token"]);
  assert.match((await told(ada, { room: "lobby", text: 5 })).message, /property text has failed/);
  assert.match((await told(ada, { room: "" })).message, /property room has failed/);
  assert.equal((await told(ada, { room: "attic", text: "x" })).message, "you are not in attic");
}

/** Leaves a room, and then the chat. */
async function leave({ ada, bob }: Two, url: string): Promise<void> {
  let left = next(ada, "user has left");
  assert.deepEqual(await bob.emitWithAck("leave", { room: "lobby" }), { members: 1 });
  assert.deepEqual(await left, ["bob", "lobby"]);
  await bob.emitWithAck("join", { room: "lobby" });
  left = next(ada, "user has left");
  bob.disconnect();
  assert.deepEqual(await left, ["bob", "lobby"]);
  const response = await fetch(`${url}/rooms/lobby`);
  assert.deepEqual(await response.json(), { room: "lobby", members: 1 });
}
