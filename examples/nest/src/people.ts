import { Injectable } from "@nestjs/common";

/** Who a token belongs to. In your application it asks a database, or verifies a JWT. */
@Injectable()
export class People {
  readonly #names = new Map([
    ["token-of-ada", "ada"],
    ["token-of-bob", "bob"],
  ]);

  find(token: unknown): string | undefined {
    return typeof token === "string" ? this.#names.get(token) : undefined;
  }
}
