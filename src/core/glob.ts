/**
 * Returns whether a text fits one of the patterns; `*` stands for any characters, also none.
 *
 * It uses no regular expression: a test is linear in the text, whatever patterns there are and
 * whatever names clients send.
 */
export function createGlobs(patterns: readonly string[]): (text: string) => boolean {
  const all = patterns.map((pattern) => pattern.split("*"));
  return (text) => all.some((pieces) => matchPieces(pieces, text));
}

function matchPieces(pieces: readonly string[], text: string): boolean {
  const first = pieces[0] ?? "";
  if (pieces.length === 1) return text === first;
  const last = pieces[pieces.length - 1] ?? "";
  if (text.length < first.length + last.length) return false;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

/** Returns the regular expression of a pattern, for `io.of`, which takes no other pattern. */
export function globToRegExp(pattern: string): RegExp {
  const pieces = pattern.split("*").map((piece) => piece.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  return new RegExp(`^${pieces.join("[^]*")}$`);
}
