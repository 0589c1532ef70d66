import { connect as connectTcp, type Socket } from "node:net";

/** Tells a subject how far it may go. */
export interface Credit {
  /** A client that had `before` messages of the round behind it now has `after`. */
  passed(before: number, after: number): void;
  close(): void;
}

/** Connects to where the subject listens for credit; all `members` must have passed a step. */
export async function openCredit(
  options: { port: number; window: number; step: number },
  members: number,
): Promise<Credit> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opening = connectTcp({ host: "127.0.0.1", port: options.port }, () => resolve(opening));
    opening.on("error", reject);
  });
  socket.setNoDelay(true);
  const crossed = new Map<number, number>();
  return {
    passed(before, after) {
      const count = after - (after % options.step);
      if (before >= count) return;
      const all = (crossed.get(count) ?? 0) + 1;
      crossed.set(count, all);
      if (all < members) return;
      crossed.delete(count);
      const message = Buffer.alloc(4);
      message.writeUInt32LE(count + options.window);
      socket.write(message);
    },
    close: () => socket.destroy(),
  };
}
