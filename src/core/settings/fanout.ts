import * as z from "zod/mini";
import { integer } from "./field.ts";

/** The section `fanout`; its sentence is in `SETTINGS`. */
export const fanout = z.strictObject({
  acksPendingMax: integer(
    1_000_000,
    1,
    100_000_000,
    "Acknowledgements that broadcasts and emitWithAck commands may wait for at once. Above, a broadcast is not sent and times out, and a command is refused.",
  ),
  unionMembersMax: integer(
    100_000,
    0,
    10_000_000,
    "Combinations of rooms that broadcasts often address together get a topic of their own. This bounds the members of all these topics, each room of a combination counting as one more; 0 creates none.",
  ),
  // commands
  ackSocketsMax: integer(10_000, 1, 1_000_000, "Sockets one emitWithAck command may wait for."),
  requestSocketsMax: integer(
    20_000,
    1,
    100_000_000,
    "Sockets that the fetchSockets and emitWithAck commands of one request may look through, before its next one is refused. On a stream, each line with fetchSockets counts by itself.",
  ),
  listedSocketsMax: integer(
    200_000,
    1,
    100_000_000,
    "Sockets that all lists and acknowledgements together hold in memory until their requests are answered; above, lists are refused.",
  ),
  listsWaitingMax: integer(
    1000,
    1,
    1_000_000,
    "Requests for lists of sockets or rooms that may wait in the queue; above, they are refused.",
  ),
  heldCommandsMax: integer(
    100,
    1,
    10_000,
    "Commands that are kept for one socket until its connect call is answered.",
  ),
  delayedMax: integer(
    100_000,
    0,
    10_000_000,
    "Commands with afterMs that may wait, over all nodes with Redis, else in this one; above, they are refused.",
  ),
  delayedBytesMax: integer(
    67_108_864,
    0,
    17_179_869_184,
    "Size of the commands with afterMs that wait, in bytes of JSON.",
  ),
});
