/** Returns the message of an error, or anything else that was thrown as a string. Never throws. */
export function messageOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return "what was thrown cannot be shown"; // an object without a prototype, a getter that throws
  }
}
