/**
 * AWS Lambda's Function URLs in front of a `fetch` handler.
 *
 * @module sluice/edge/lambda
 */
import { toBase64, tryBase64 } from "./binary.ts";

/** What is used of an event of payload format 2.0: of a Function URL, or an HTTP API. */
export interface LambdaEvent {
  /** The request's path. */
  readonly rawPath: string;
  /** The request's query, without `?`. */
  readonly rawQueryString?: string | undefined;
  /** Names in lower case; the values of a repeated header are joined with commas. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Where the request came in. */
  readonly requestContext: {
    /** The host that the request was for. */
    readonly domainName: string;
    /** What is used of the request line. */
    readonly http: {
      /** The request's method. */
      readonly method: string;
    };
  };
  /** The body, as text or in Base64. */
  readonly body?: string | undefined;
  /** Whether the body is in Base64. */
  readonly isBase64Encoded: boolean;
}

/** A result of payload format 2.0. */
export interface LambdaResult {
  /** The response's status. */
  statusCode: number;
  /** The response's headers. */
  headers: Record<string, string>;
  /** The body, as text or in Base64. */
  body: string;
  /** Whether the body is in Base64. */
  isBase64Encoded: boolean;
}

/**
 * Returns the `handler` of a Lambda function behind a Function URL, or an HTTP API, that answers
 * with what a `fetch` handler returns. Cookies are not passed on: neither the client's, which the
 * event lists beside its headers, nor more than one of the response's.
 *
 * Rejects with a TypeError for an event of another format, such as 1.0, and with what the handler
 * throws: Lambda answers both with 502.
 */
export function toLambda(
  handler: (request: Request) => Response | Promise<Response>,
): (event: LambdaEvent) => Promise<LambdaResult> {
  return async (event) => {
    const response = await handler(toRequest(event));
    const bytes = new Uint8Array(await response.arrayBuffer());
    const type = response.headers.get("content-type") ?? "text/plain";
    const isText = /^text\/|\bjson\b/.test(type);
    return {
      statusCode: response.status,
      headers: Object.fromEntries(response.headers),
      body: isText ? new TextDecoder().decode(bytes) : toBase64(bytes),
      isBase64Encoded: !isText,
    };
  };
}

function toRequest(event: LambdaEvent): Request {
  const { headers, requestContext, rawPath, rawQueryString, body, isBase64Encoded } = event;
  const method = requestContext?.http?.method; // events of other formats have none
  if (method === undefined) throw new TypeError("toLambda takes events of payload format 2.0");
  const given = Object.entries(headers).filter((pair): pair is [string, string] => !!pair[1]);
  const query = rawQueryString ? `?${rawQueryString}` : "";
  const bytes = body !== undefined && isBase64Encoded ? tryBase64(body) : body;
  return new Request(`https://${requestContext.domainName}${rawPath}${query}`, {
    method,
    headers: given,
    body: method === "GET" || method === "HEAD" ? null : (bytes ?? null),
  });
}
