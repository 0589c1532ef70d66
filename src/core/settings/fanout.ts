import * as z from "zod/mini";
import { whole } from "./field.ts";

/** How broadcasts reach their recipients, and the commands that become them. */
export const fanout = z.strictObject({
  acksPendingMax: whole(
    1_000_000,
    1,
    100_000_000,
    "Acknowledgements of broadcasts that may be awaited at once; above, a broadcast is not sent and times out.",
  ),
  unionMembersMax: whole(
    100_000,
    0,
    10_000_000,
    "Memberships that topics of often-used unions of rooms may hold at once, a room of a union counting as one more; 0 makes no such topics.",
  ),
  // commands
  ackSocketsMax: whole(10_000, 1, 1_000_000, "Sockets one emitWithAck command may wait for."),
  heldCommandsMax: whole(
    100,
    1,
    10_000,
    "Commands kept for one socket until its connect hook has let it in.",
  ),
});
