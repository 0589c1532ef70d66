/**
 * Returns what was thrown in words: the message of an error, or the text of whatever else it was.
 */
export function messageOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return "what was thrown cannot be shown"; // an object without a prototype, a getter that throws
  }
}
