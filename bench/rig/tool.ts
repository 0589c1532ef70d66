import { spawn } from "node:child_process";

/** How a tool is run. */
export interface ToolOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Ends the tool. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each line that the tool prints. */
  readonly seen?: ((line: string) => void) | undefined;
}

/** How a tool ended, and what it printed on both streams. */
export interface ToolResult {
  /** Null when a signal ended it, or when there is no such tool. */
  readonly code: number | null;
  readonly output: string;
}

/**
 * Runs a compiler or package manager to its end, without blocking this process, so that progress
 * can be told meanwhile. Never throws: what is not installed is a result without a code.
 */
export function runTool(words: readonly string[], options: ToolOptions): Promise<ToolResult> {
  const [command = "", ...args] = words;
  const { cwd, env, signal, seen } = options;
  const child = spawn(command, args, {
    ...{ cwd, stdio: ["ignore", "pipe", "pipe"] },
    ...(env ? { env } : {}),
    ...(signal ? { signal } : {}),
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      for (const line of text.split("\n")) if (line.trim() !== "") seen?.(line.trim());
    });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: null, output: `${output}${error.message}` }));
    child.once("close", (code) => resolve({ code, output }));
  });
}
