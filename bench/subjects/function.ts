import { serve } from "../rig/rpc.ts";
import { loadUws } from "./native.ts";

/**
 * A function as a platform would run it, reduced to its answer: it parses the event and hands the
 * first argument back as the ack. It does not check the signature.
 */
serve({
  async start() {
    const { uws } = loadUws();
    const app = uws.App();
    app.post("/*", (res) => {
      const chunks: Buffer[] = [];
      res.onAborted(() => {});
      res.onData((chunk, isLast) => {
        // The bytes are the server's own; they are copied before this returns.
        chunks.push(Buffer.from(Buffer.from(chunk)));
        if (!isLast) return;
        const answer = answerOf(Buffer.concat(chunks).toString("utf8"));
        res.cork(() => res.writeHeader("content-type", "application/json").end(answer));
      });
    });
    const port = await new Promise<number>((resolve, reject) =>
      app.listen("127.0.0.1", 0, (token) =>
        token ? resolve(uws.us_socket_local_port(token)) : reject(new Error("cannot listen")),
      ),
    );
    return { url: `http://127.0.0.1:${port}/` };
  },
  usage() {
    const { user, system } = process.cpuUsage();
    return { cpuS: (user + system) / 1e6 };
  },
});

function answerOf(body: string): string {
  const call: unknown = JSON.parse(body);
  const args = typeof call === "object" && call !== null && "args" in call ? call.args : undefined;
  return Array.isArray(args) ? JSON.stringify({ ack: [args[0]] }) : "{}";
}
