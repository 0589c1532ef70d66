/** The buffer that frames are written to. Only this file and the `put…` functions use it. */
export interface FrameWriter {
  bytes: Buffer;
  /** The next free byte, within what was reserved. */
  at: number;
  /** Where the current frame begins. The bytes before it belong to frames already returned. */
  start: number;
  /** Whether a frame is being written. */
  busy: boolean;
}

// The size of Node.js' own pool. Larger would waste memory: a queued frame keeps its whole slab
// alive.
const SLAB_BYTES = 8192;
const NOTHING = Buffer.alloc(0);

/** Returns an empty writer. */
export function createFrameWriter(): FrameWriter {
  return { bytes: Buffer.allocUnsafeSlow(SLAB_BYTES), at: 0, start: 0, busy: false };
}

/** Makes room for `length` more bytes. If the slab is full, the frame moves to a larger one. */
export function reserve(to: FrameWriter, length: number): void {
  if (to.at + length > to.bytes.length) move(to, length);
}

function move(to: FrameWriter, length: number): void {
  const written = to.at - to.start;
  // Doubling keeps moves rare; one large value gets little more than it needs.
  const size = Math.max(SLAB_BYTES, written + length + 512, 2 * written);
  const larger = Buffer.allocUnsafeSlow(size);
  to.bytes.copy(larger, 0, to.start, to.at);
  to.bytes = larger;
  to.start = 0;
  to.at = written;
}

/**
 * Returns what `put` writes as one frame. If `put` throws, nothing is written.
 *
 * Re-entrant: a `toJSON` of the packet may send another packet, which gets its own slab.
 */
export function writeFrame<T>(
  to: FrameWriter,
  put: (to: FrameWriter, one: T) => void,
  one: T,
): Buffer {
  const { bytes, at, start, busy } = to;
  if (busy) {
    to.bytes = NOTHING;
    to.at = 0;
  }
  to.busy = true;
  to.start = to.at;
  let frame: Buffer | undefined;
  try {
    put(to, one);
    frame = cut(to);
    return frame;
  } finally {
    to.busy = busy;
    if (busy || to.bytes.length > SLAB_BYTES) {
      to.bytes = bytes;
      to.at = at;
      to.start = start;
    } else if (frame === undefined) to.at = to.start;
  }
}

/** Returns the bytes of the frame. A large one is copied if its buffer is much larger. */
function cut({ bytes, start, at }: FrameWriter): Buffer {
  const frame = bytes.subarray(start, at);
  const spare = bytes.length - frame.length;
  return bytes.length > SLAB_BYTES && spare > frame.length >> 3 ? Buffer.from(frame) : frame;
}
