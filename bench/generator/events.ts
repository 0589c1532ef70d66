import { rpcFrame } from "../wire/centrifugo.ts";
import { createBodies } from "../wire/marker.ts";
import { type Codec, eventFrame, type Protocol } from "../wire/packets.ts";

/** Makes the next `count` EVENT frames of one client in a row, all due at the same time. */
export type Events = (count: number, dueUs: number) => Buffer;

/** Ack ids start here, so that every id has nine digits in JSON and five bytes in msgpack. */
const FIRST_ID = 100_000_000;
const ZERO = 0x30;
const NINE = 0x39;

/**
 * Returns the events of one client, whose sequence begins at zero. Sequence and ack id are counted
 * up in the bytes of one template: building each frame from scratch, or each number as a text,
 * would make the generator the bottleneck.
 */
export function createEvents(
  { codec, protocol }: { readonly codec: Codec; readonly protocol?: Protocol },
  payloadBytes: number,
): Events {
  const body = createBodies(payloadBytes)(0, 0);
  const template =
    protocol === "centrifugo"
      ? rpcFrame(FIRST_ID, body)
      : eventFrame(codec, "/", ["e", body], FIRST_ID);
  const { length } = template;
  const bodyAt = template.indexOf("~S");
  const idBytes = Buffer.alloc(4);
  idBytes.writeUInt32BE(FIRST_ID);
  const idAt = template.indexOf(codec === "json" ? String(FIRST_ID) : idBytes);
  let id = FIRST_ID;
  return (count, dueUs) => {
    template.write(String(1e15 + Math.floor(dueUs)).slice(1), bodyAt + 12, "latin1");
    const frames = Buffer.allocUnsafe(length * count);
    for (let i = 0; i < count; i++) {
      template.copy(frames, length * i);
      countUp(template, bodyAt + 2 + 8);
      if (codec === "json") countUp(template, idAt + 8);
      else template.writeUInt32BE(++id, idAt);
    }
    return frames;
  };
}

/** Adds one to the decimal number whose last digit is at `last`. */
function countUp(bytes: Buffer, last: number): void {
  let at = last;
  while (bytes[at] === NINE) bytes[at--] = ZERO;
  bytes[at] = (bytes[at] ?? ZERO) + 1;
}
