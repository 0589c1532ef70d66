import * as z from "zod/mini";
import { BINARY, ESCAPE } from "./tagged-json.ts";
import "./zod.ts";

/** Where the OpenAPI document has its schemas. */
export const SCHEMAS_REF = "#/components/schemas/";
/** Reference to the schema of {@link VALUE} there. */
export const VALUE_REF = `${SCHEMAS_REF}Value`;
const MEMBERS_REF = `${SCHEMAS_REF}Members`;
const only = (key: string) => ({ type: "object", required: [key], maxProperties: 1 });

/**
 * Any value that a client, a function or the application has set. Zod takes all of them; what it
 * knows for JSON Schema is how core/tagged-json.ts writes them. How deep a value nests and how many
 * bytes are in it is more than JSON Schema can say.
 */
export const VALUE = z.unknown();

/** The members of a value, none of which is a tag itself: what `$escape` holds. */
export const MEMBERS = z.unknown();

z.globalRegistry.add(VALUE, {
  description:
    'Any value. Bytes are `{"$binary":"<base64>"}`, padded. An object whose only key is `$binary` ' +
    'or `$escape` and which is no such thing is written `{"$escape":{…}}` around it.',
  if: only(BINARY),
  // biome-ignore lint/suspicious/noThenProperty: a word of JSON Schema.
  then: {
    properties: {
      [BINARY]: {
        type: "string",
        pattern: "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
      },
    },
  },
  else: {
    if: only(ESCAPE),
    // biome-ignore lint/suspicious/noThenProperty: a word of JSON Schema.
    then: {
      properties: { [ESCAPE]: { type: "object", allOf: [{ $ref: MEMBERS_REF }] } },
    },
    else: { $ref: MEMBERS_REF },
  },
});
z.globalRegistry.add(MEMBERS, {
  description: "The items of a list, or the members of an object, are values.",
  items: { $ref: VALUE_REF },
  additionalProperties: { $ref: VALUE_REF },
  // The keys that core/value.ts refuses.
  propertyNames: { not: { const: "__proto__" } },
  properties: { _placeholder: { not: { const: true }, allOf: [{ $ref: VALUE_REF }] } },
});
