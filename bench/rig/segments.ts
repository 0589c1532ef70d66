import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
let isMissing = false;

/**
 * Returns how many TCP segments with data the server on `port` has sent on its open connections, as
 * `ss` reads it from the kernel (`data_segs_out` of TCP_INFO). On loopback a segment is a write of
 * the server unless it is larger than 64 KiB. Returns 0 where `ss` is missing.
 */
export async function countSegments(port: number): Promise<number> {
  if (isMissing) return 0;
  try {
    const filter = ["state", "established", "sport", "=", `:${port}`];
    const { stdout } = await run("ss", ["-tinH", ...filter], { maxBuffer: 1 << 28 });
    let sum = 0;
    for (const match of stdout.matchAll(/data_segs_out:(\d+)/g)) sum += Number(match[1]);
    return sum;
  } catch {
    isMissing = true;
    return 0;
  }
}
