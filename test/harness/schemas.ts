import { Ajv2020 } from "ajv/dist/2020.js";
import { describeSchemas } from "../../src/api/schemas.ts";

const schemas = describeSchemas();
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: "document", components: { schemas } });

/** The names of the schemas of the OpenAPI document, with their examples. */
export const SCHEMAS = Object.entries(schemas).map(([name, schema]) => ({
  name,
  examples: (schema.examples ?? []) as readonly unknown[], // as JSON Schema has it
}));

/** Returns why a value does not fit a schema of the OpenAPI document; undefined if it fits. */
export function misfit(name: string, value: unknown): string | undefined {
  if (!(name in schemas)) throw new Error(`there is no schema ${name}`);
  const validate = ajv.getSchema(`document#/components/schemas/${name}`);
  return validate?.(value) === true ? undefined : ajv.errorsText(validate?.errors);
}
