import { attackRows } from "./row.ts";
import { AUTOBAHN_ROWS } from "./rows/autobahn.ts";
import { FRAME_BYTES_MAX, FRAME_ROWS } from "./rows/frames.ts";

attackRows("hostile WebSocket frames", [...FRAME_ROWS, ...AUTOBAHN_ROWS], {
  socket: { packetBytesMax: FRAME_BYTES_MAX },
});
