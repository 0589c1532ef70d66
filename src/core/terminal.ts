/** Writes text in a colour of the terminal, or as it is. */
export type Paint = (colour: keyof typeof COLOURS, text: string) => string;

const COLOURS = { dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

/** Returns what paints text, if the reader shows colours. */
export function createPaint(hasColours: boolean): Paint {
  return (colour, text) => (hasColours ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text);
}

/** Controls of terminals and of the direction of writing, which a client's text may hold. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Returns text on one line, with whatever would change how a terminal shows it escaped. */
export function showText(text: string): string {
  return text.replace(CONTROLS, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
