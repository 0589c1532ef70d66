/** Bytes that come in pieces, such as the body of a request. */
export interface Gathering {
  /** Bytes that have come. */
  readonly length: number;
  /** Adds a copy of a piece; returns false, and adds nothing, when it is one too many. */
  add(piece: Uint8Array): boolean;
  /** Lets go of what has come. */
  drop(): void;
  /** Returns what has come, as a view that is valid until the next piece. */
  bytes(): Buffer;
}

/** Pieces that any body may come in, and how many bytes each further one has to have on average. */
const PIECES_FREE = 16_384;
const PIECE_BYTES_MIN = 64;

/**
 * Gathers at most `bytesMax` bytes, and holds at most twice what has come: nothing is believed that
 * was said beforehand, and a body of one-byte pieces costs no more memory than another. Nor may it
 * cost more time: of pieces that small only some thousands are taken.
 */
export function createGathering(bytesMax: number): Gathering {
  let held = Buffer.alloc(0);
  let length = 0;
  let pieces = 0;
  return {
    get length() {
      return length;
    },
    add(piece) {
      const next = length + piece.byteLength;
      if (next > bytesMax || ++pieces > PIECES_FREE + next / PIECE_BYTES_MIN) return false;
      if (next > held.length) {
        const larger = Buffer.allocUnsafe(Math.min(bytesMax, Math.max(next, 2 * held.length)));
        held.copy(larger, 0, 0, length);
        held = larger;
      }
      held.set(piece, length);
      length = next;
      return true;
    },
    drop() {
      held = Buffer.alloc(0);
      length = 0;
    },
    bytes: () => held.subarray(0, length),
  };
}
