import { randomFillSync } from "node:crypto";

/** As many random bytes as Socket.IO's ids have. Base64 turns them into 20 characters. */
const ID_BYTES = 15;
const pool = Buffer.allocUnsafeSlow(ID_BYTES * 256);
let used = pool.length;

/** Returns a random id that cannot be guessed: 20 characters that need no escape in a URL. */
export function createId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const id = pool.toString("base64url", used, used + ID_BYTES);
  used += ID_BYTES;
  return id;
}
