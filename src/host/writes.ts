import { bytesOf } from "../core/packet.ts";
import type { TemplatedApp, WebSocket } from "./native.ts";

/** One message of a WebSocket: text or bytes. */
type Message = string | Buffer;

/** Messages of one turn of the loop. */
interface Burst {
  /** The turn in which `burst` messages were published. */
  turn: number;
  burst: number;
}

/** A topic of uWebSockets.js, with what one {@link Writes} counts on it. */
export interface CountedTopic extends Burst {
  readonly name: string;
  /** How many WebSockets are subscribed to it. */
  readonly subscribed: number;
}

/** Whose WebSocket is written to. */
export interface Writer {
  /** The open WebSocket; undefined before and after. */
  readonly ws: WebSocket<unknown> | undefined;
  /** The last batch of waiting writes that it has one in. */
  batch: number;
  /** Called when a message that had to wait could not be written whole. */
  unsent(): void;
}

/**
 * Everything that is written to the WebSockets of one engine, and their subscriptions.
 *
 * While uWebSockets.js calls back for a socket, which is when handlers run, only that socket's
 * messages are put together: what is written out for others is one write a message. So when a topic
 * has got as many messages as are held for its subscribers, what follows in the turn waits until
 * all callbacks are over: broadcasts, subscriptions, and what is sent to subscribers. It is done in
 * the order in which it was asked for, and nothing overtakes it. Messages are held for a
 * subscriber, not for a topic. So topics with many subscribers, which may share them, count as one.
 */
export interface Writes {
  /** Publishes to the subscribers of a topic, except to `sender`, which must be one of them. */
  publish(topic: CountedTopic, message: Message, sender?: Writer): void;
  subscribe(writer: Writer, topic: string): void;
  unsubscribe(writer: Writer, topic: string): void;
  /** Whether what is sent to this WebSocket now has to wait for what was asked for before. */
  mustWait(writer: Writer): boolean;
  /** Sends a message that {@link mustWait}. */
  sendLater(writer: Writer, message: Message): void;
  /** Does everything that waits, now. */
  settle(): void;
  /** Calls back once nothing waits, which may be now. */
  afterwards(call: () => void): void;
  /** How often something was published, or was done after waiting. */
  count(): number;
}

/**
 * Messages that uWebSockets.js holds for a subscriber, to write them together at the end of a turn
 * of the loop. It writes them out before it takes another one.
 */
const HELD_MAX = 32;
/** Subscribers from which on a topic counts with others: with fewer, waiting saves little. */
const SHARED_FROM = 32;
/** Messages to a topic from which on the turn's end is watched for: fewer never come to wait. */
const WATCHED_FROM = 8;
/** Topics that a WebSocket is asked for; with more of them it is taken for a subscriber. */
const TOPICS_ASKED_MAX = 4;

/** Something that waits. Without a writer it is published to all subscribers. */
interface Waiting {
  readonly what: "publish" | "send" | "subscribe" | "unsubscribe";
  readonly writer: Writer | undefined;
  readonly topic: string;
  readonly message: Message;
}

/** Returns the writes of one engine. Above `bytesMax` waiting bytes nothing waits any longer. */
export function createWrites(app: TemplatedApp, bytesMax: number): Writes {
  let count = 0;
  const carryOut = (one: Waiting) => {
    count++;
    write(app, one);
  };
  const backlog = createBacklog(carryOut);
  const turns = createTurns(backlog.settle);
  const shared: Burst = { turn: 0, burst: 0 };

  function wait(one: Waiting): void {
    turns.watch();
    backlog.add(one);
    if (backlog.bytes() > bytesMax) backlog.settle();
  }

  return {
    publish(topic, message, sender) {
      const counted = topic.subscribed < SHARED_FROM ? topic : shared;
      const turn = turns.current();
      if (counted.turn !== turn) {
        counted.turn = turn;
        counted.burst = 0;
      }
      if (++counted.burst === WATCHED_FROM) turns.watch();
      const one: Waiting = { what: "publish", writer: sender, topic: topic.name, message };
      if (counted.burst <= HELD_MAX && backlog.isEmpty()) carryOut(one);
      else wait({ ...one, message: keep(message) });
    },
    subscribe(writer, topic) {
      if (backlog.isEmpty()) writer.ws?.subscribe(topic);
      else wait({ what: "subscribe", writer, topic, message: "" });
    },
    unsubscribe(writer, topic) {
      if (backlog.isEmpty()) writer.ws?.unsubscribe(topic);
      else wait({ what: "unsubscribe", writer, topic, message: "" });
    },
    mustWait: backlog.concerns,
    sendLater: (writer, message) =>
      wait({ what: "send", writer, topic: "", message: keep(message) }),
    settle: backlog.settle,
    afterwards: backlog.afterwards,
    count: () => count,
  };
}

/** Returns turns of the event loop. `ended` is called after all callbacks of a watched one. */
function createTurns(ended: () => void) {
  let turn = 1;
  let isWatched = false;
  return {
    /** Turns that nobody watches count as one with the next. */
    current: () => turn,
    watch() {
      if (isWatched) return;
      isWatched = true;
      setImmediate(() => {
        isWatched = false;
        turn++;
        ended();
      });
    },
  };
}

/** Returns what waits, in order. */
function createBacklog(carryOut: (one: Waiting) => void) {
  let waiting: Waiting[] = [];
  let bytes = 0;
  let isSettling = false;
  /** Grows with each batch of what waits. */
  let batch = 1;
  const calls: (() => void)[] = [];
  /** The topics that a waiting message is for. */
  const topics = new Set<string>();

  function forget(): void {
    isSettling = false;
    waiting = [];
    bytes = 0;
    topics.clear();
    batch++;
  }

  return {
    isEmpty: () => waiting.length === 0,
    bytes: () => bytes,
    add(one: Waiting): void {
      if (one.writer) one.writer.batch = batch;
      if (one.what === "publish") topics.add(one.topic);
      waiting.push(one);
      bytes += bytesOf(one.message);
    },
    /** Whether anything that waits comes before what is sent to this WebSocket now. */
    concerns(writer: Writer): boolean {
      if (waiting.length === 0 || !writer.ws) return false;
      if (writer.batch === batch || topics.size > TOPICS_ASKED_MAX) return true;
      for (const topic of topics) if (writer.ws.isSubscribed(topic)) return true;
      return false;
    },
    settle(): void {
      if (isSettling || waiting.length === 0) return;
      isSettling = true;
      try {
        // Whoever cannot take more leaves its topics meanwhile: that waits too, behind the rest.
        for (let i = 0; i < waiting.length; i++) carryOut(waiting[i] as Waiting);
      } finally {
        forget();
      }
      for (const call of calls.splice(0)) call();
    },
    afterwards(call: () => void): void {
      if (waiting.length === 0) call();
      else calls.push(call);
    },
  };
}

/** The bytes may be the application's own, which may change them at once. */
function keep(message: Message): Message {
  return typeof message === "string" ? message : Buffer.from(message);
}

function write(app: TemplatedApp, { what, writer, topic, message }: Waiting): void {
  const isBinary = typeof message !== "string";
  if (what === "publish") {
    // A sender that has closed meanwhile subscribes to nothing any more.
    if (writer?.ws) writer.ws.publish(topic, message, isBinary, false);
    else app.publish(topic, message, isBinary, false);
  } else if (!writer?.ws) return;
  else if (what === "subscribe") writer.ws.subscribe(topic);
  else if (what === "unsubscribe") writer.ws.unsubscribe(topic);
  else if (writer.ws.send(message, isBinary, false) !== 1) writer.unsent();
}
