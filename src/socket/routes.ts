import type { TemplatedApp } from "./native.ts";
import { SafeResponse } from "./response.ts";

/** An answer of one of the gateway's own pages. */
export interface Page {
  readonly status: string;
  readonly type: string;
  readonly body: string;
}

/** Answers GET and HEAD of `path` with what `page` returns for the request's `Accept` header. */
export function servePage(
  app: TemplatedApp,
  path: string,
  page: (accept: string) => Page | Promise<Page>,
): void {
  app.get(path, (raw, req) => {
    const res = new SafeResponse(raw);
    const failed = { status: "500 Internal Server Error", type: "text/plain", body: "failed\n" };
    Promise.resolve(req.getHeader("accept"))
      .then(page)
      .catch(() => failed)
      .then(({ status, type, body }) =>
        res.cork(() => {
          res.writeStatus(status).writeHeader("Content-Type", type);
          res
            .writeHeader("Cache-Control", "no-store")
            .writeHeader("X-Content-Type-Options", "nosniff");
          res.end(body);
        }),
      );
  });
}
