import * as z from "zod/mini";
import { integer } from "./field.ts";

/** The section `fanout`; its sentence is in `SETTINGS`. */
export const fanout = z.strictObject({
  acksPendingMax: integer(
    1_000_000,
    1,
    100_000_000,
    "Acknowledgements of broadcasts and emitWithAck commands that may be awaited at once; above, a broadcast is not sent and times out, and a command is refused.",
  ),
  unionMembersMax: integer(
    100_000,
    0,
    10_000_000,
    "Memberships that topics of often-used unions of rooms may hold at once, a room of a union counting as one more; 0 makes no such topics.",
  ),
  // commands
  ackSocketsMax: integer(10_000, 1, 1_000_000, "Sockets one emitWithAck command may wait for."),
  requestSocketsMax: integer(
    20_000,
    1,
    100_000_000,
    "Sockets that the fetchSockets and emitWithAck commands of one request may look through before its next one is refused; on a stream, fetchSockets of each line by itself.",
  ),
  listedSocketsMax: integer(
    200_000,
    1,
    100_000_000,
    "Sockets that lists and acknowledgements hold until their requests are answered, in all; above, lists are refused.",
  ),
  listsWaitingMax: integer(
    1000,
    1,
    1_000_000,
    "Lists of sockets or rooms that may wait for their turn; above, they are refused.",
  ),
  heldCommandsMax: integer(
    100,
    1,
    10_000,
    "Commands kept for one socket until its connect hook has let it in.",
  ),
  delayedMax: integer(
    100_000,
    0,
    10_000_000,
    "Commands with afterMs that may wait for their time: with Redis over all nodes, else in this one; above, they are refused.",
  ),
  delayedBytesMax: integer(
    67_108_864,
    0,
    17_179_869_184,
    "Bytes of the commands that wait for their time, written as JSON.",
  ),
});
