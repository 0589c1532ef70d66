/** The largest body that is read when nothing else is said. */
export const BODY_BYTES_MAX = 4_194_304;

/**
 * Resolves with the bytes of all chunks that `next` gives until it gives none; with undefined as
 * soon as they are more than `max`. Rejects as `next` does.
 */
export async function gather(
  next: () => Promise<Uint8Array | undefined>,
  max: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let chunk = await next(); chunk; chunk = await next()) {
    length += chunk.length;
    if (length > max) return undefined;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
