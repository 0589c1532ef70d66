import type { WebSocket } from "uWebSockets.js";
import { encode } from "@msgpack/msgpack";
import type { Codec } from "../wire/packets.ts";
import { hostSubject, type Shape, type Subject } from "./host.ts";
import { loadUws } from "./native.ts";
import { withLoss } from "./socket-io.ts";

/**
 * The control: uWebSockets.js with nothing on top. It speaks just enough Engine.IO and Socket.IO
 * for the same generator to connect, and broadcasts the same bytes by `publish`. It is not a
 * Socket.IO server: no heartbeat, no sessions, no rooms, no validation.
 */
hostSubject(async ({ codec, loseEvery }): Promise<Subject> => {
  const { uws, version } = loadUws();
  const app = uws.App();
  const encodeEvent = codec === "json" ? encodeJson : createMsgpackEncoder();
  const isBinary = codec === "msgpack";
  const sockets = new Set<WebSocket<Who>>();
  let sender: WebSocket<Who> | undefined;
  let nextId = 0;
  app.ws<Who>("/socket.io/", {
    maxPayloadLength: 1_000_000,
    upgrade(res, req, context) {
      const who = { rooms: req.getQuery("rooms") ?? "", role: req.getQuery("role") ?? "" };
      res.upgrade(
        who,
        req.getHeader("sec-websocket-key"),
        req.getHeader("sec-websocket-protocol"),
        req.getHeader("sec-websocket-extensions"),
        context,
      );
    },
    open(ws) {
      sockets.add(ws);
      ws.send('0{"sid":"bare","upgrades":[],"pingInterval":300000,"pingTimeout":300000}', false);
    },
    message(ws, message, binary) {
      const bytes = Buffer.from(message);
      if (isConnect(bytes, binary)) {
        const who = ws.getUserData();
        ws.send(connectAnswer(codec, `bare${nextId++}`), isBinary);
        for (const topic of topicsOf(who)) ws.subscribe(topic);
        if (who.role === "sender") sender = ws;
      } else if (binary) ws.send(answerMsgpack(bytes), true);
      else if (bytes[0] === 0x34) ws.send(answerJson(bytes), false);
    },
    close(ws) {
      sockets.delete(ws);
      if (ws === sender) sender = undefined;
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    app.listen("127.0.0.1", 0, (token) =>
      token ? resolve(uws.us_socket_local_port(token)) : reject(new Error("cannot listen")),
    ),
  );
  return {
    port,
    about: { "uWebSockets.js": version },
    emit: withLoss((shape, body) => {
      const message = encodeEvent(body);
      if (shape === "sender") sender?.publish("r", message, isBinary);
      else app.publish(TOPICS[shape], message, isBinary);
    }, loseEvery),
    connections: () => sockets.size,
  };
});

interface Who {
  rooms: string;
  role: string;
}

/** The best case of each shape: one topic that has exactly its recipients. */
const TOPICS: Readonly<Record<Shape, string>> = {
  namespace: "/",
  room: "r",
  sender: "r",
  except: "r-without-x",
  union: "a-or-b",
};

function topicsOf({ rooms }: Who): string[] {
  const names = rooms.split(".").filter((name) => name !== "");
  const topics = ["/", ...names];
  if (names.includes("r") && !names.includes("x")) topics.push(TOPICS.except);
  if (names.includes("a") || names.includes("b")) topics.push(TOPICS.union);
  return topics;
}

function isConnect(bytes: Buffer, binary: boolean): boolean {
  // msgpack: a map whose first key is "type" with value 0; JSON: 40.
  return binary ? bytes[6] === 0 : bytes[0] === 0x34 && bytes[1] === 0x30;
}

function connectAnswer(codec: Codec, sid: string): string | Uint8Array {
  return codec === "json" ? `40{"sid":"${sid}"}` : encode({ type: 0, data: { sid }, nsp: "/" });
}

function encodeJson(body: string): string {
  return `42["m","${body}"]`;
}

/** Encodes by patching the body into the bytes of a first packet of the same length. */
function createMsgpackEncoder(): (body: string) => Buffer {
  let packet = Buffer.alloc(0);
  let length = -1;
  let at = 0;
  return (body) => {
    if (body.length !== length) {
      packet = Buffer.from(encode({ type: 2, data: ["m", body], nsp: "/" }));
      length = body.length;
      at = packet.indexOf(body);
    }
    packet.write(body, at, "latin1");
    return packet;
  };
}

/** `42<id>["e",…]` becomes `43<id>[…]`. */
function answerJson(bytes: Buffer): Buffer {
  const bracket = bytes.indexOf(0x5b);
  const comma = bytes.indexOf(0x2c, bracket);
  const head = Buffer.from(bytes.subarray(0, bracket + 1));
  head[1] = 0x33;
  return Buffer.concat([head, bytes.subarray(comma + 1)]);
}

/** The generator's {type:2, data:["e", body], nsp, id} becomes {type:3, data:[body], nsp, id}. */
function answerMsgpack(bytes: Buffer): Buffer {
  // 1 byte map, 5 "type", 1 value, 5 "data", 1 array header, 2 "e", then the body and the rest.
  const head = Buffer.from(bytes.subarray(0, 13));
  head[6] = 3;
  head[12] = 0x91;
  return Buffer.concat([head, bytes.subarray(15)]);
}
