/** The gateway, asked with the key of this tab. The key is in no address and in no cookie. */

const KEPT = "sluice-key";

/** What the gateway says of itself. */
export interface About {
  readonly version: string;
  readonly developing: boolean;
  /** The port of the clients, if it is not the page's own. */
  readonly clientPort?: number;
  readonly path: string;
  readonly transports: readonly string[];
  readonly codecs: "both" | "msgpack" | "json";
  readonly auth: string;
  readonly namespaces: readonly string[];
  readonly hasFunctions: boolean;
  /** Whether there may be other nodes or workers. */
  readonly hasOthers: boolean;
  readonly metricsPath: string;
  readonly historyMs: number;
  readonly isChat: boolean;
  readonly canWatch: boolean;
}

/** The gateway said no, or nothing. `status` is 0 if it could not be reached. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }
}

/** Takes the key out of the page's address, where the link of a start has it; if there is one. */
export function takeKey(): boolean {
  const [, key] = /^#key=(.+)$/.exec(location.hash) ?? [];
  if (key === undefined) return false;
  setKey(key);
  history.replaceState(null, "", location.pathname);
  return true;
}

/** Keeps a key for as long as the tab is open; without one, forgets it. */
export function setKey(key?: string): void {
  if (key === undefined) sessionStorage.removeItem(KEPT);
  else sessionStorage.setItem(KEPT, key);
}

export function hasKey(): boolean {
  return sessionStorage.getItem(KEPT) !== null;
}

let refused = (): void => {};

/** Sets the one function that is called when the gateway has refused the key, which is forgotten. */
export function onKeyRefused(listener: () => void): void {
  refused = listener;
}

async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const key = sessionStorage.getItem(KEPT);
  const headers = { ...init.headers, authorization: `Bearer ${key ?? ""}` };
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Refused(0, "The gateway cannot be reached.");
  }
  if (response.ok) return response;
  // Not for an answer that comes late, to a key that another has replaced.
  if (response.status === 401 && key === sessionStorage.getItem(KEPT)) {
    setKey();
    refused();
  }
  const { title, code, detail } = await response.json().catch(() => ({}));
  const text = [title ?? `Status ${response.status}`, detail].filter(Boolean).join(": ");
  throw new Refused(response.status, code ? `${text} (${code})` : text);
}

/** Resolves with the JSON at a path. Rejects with {@link Refused}. */
export async function get<T>(path: string, query: Record<string, string> = {}): Promise<T> {
  const given = Object.entries(query).filter(([, value]) => value !== "");
  const words = given.length > 0 ? `?${new URLSearchParams(given)}` : "";
  return (await request(path + words, { headers: { accept: "application/json" } })).json();
}

/** Resolves with the text at a path. Rejects with {@link Refused}. */
export async function getText(path: string): Promise<string> {
  return (await request(path)).text();
}

/** Sends JSON; resolves with the answer. Rejects with {@link Refused}. */
export async function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { "content-type": "application/json" };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** What a stream tells. */
interface Heard {
  readonly heard: (event: string, data: unknown) => void;
  /** Called when the stream has ended by itself; the reason is a sentence. */
  readonly ended: (why: Refused) => void;
}

/**
 * Reads Server-Sent Events, by `fetch`, because an EventSource can send no key. Call the returned
 * function to end it.
 */
export function listen(path: string, { heard, ended }: Heard): () => void {
  const abort = new AbortController();
  const read = async (): Promise<void> => {
    const { body } = await request(path, { signal: abort.signal });
    if (!body) return;
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const events = (text + part.value).split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) {
        // Not a dot: U+2028 is no line end in the stream, and may be in any name.
        const [, name = "", data = "null"] = /^event: ([^\n]*)\ndata: ([^\n]*)$/.exec(event) ?? [];
        heard(name, JSON.parse(data));
      }
    }
  };
  read()
    .then(() => Promise.reject(new Refused(0, "The gateway has ended the stream.")))
    .catch((error) => {
      if (abort.signal.aborted) return;
      ended(error instanceof Refused ? error : new Refused(0, "The stream was cut."));
    });
  return () => abort.abort();
}
