import { FAILURES, type FailureCode } from "./failures.ts";
import type { HttpAnswer } from "./http.ts";

/** The media type of RFC 9457. */
export const PROBLEM_TYPE = "application/problem+json";

/**
 * Returns a failure as an RFC 9457 problem document: `type` is `about:blank`, so that the status
 * says what kind it is, `title` the failure's sentence, `code` its name. `members` are further
 * members of the document, such as `index` and `path`.
 */
export function problemOf(
  code: FailureCode,
  more: Pick<HttpAnswer, "headers" | "close"> & {
    readonly detail?: string | undefined;
    readonly members?: Readonly<Record<string, unknown>>;
  } = {},
): HttpAnswer {
  const { status, text } = FAILURES[code];
  const document = {
    type: "about:blank",
    title: text,
    status,
    code,
    ...(more.detail !== undefined && { detail: more.detail }),
    ...more.members,
  };
  return {
    status,
    headers: { "content-type": PROBLEM_TYPE, ...more.headers },
    body: JSON.stringify(document),
    ...(more.close && { close: true }),
  };
}
