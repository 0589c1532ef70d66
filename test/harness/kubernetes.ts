import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** What every resource has. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
}

/** Returns the class that checks resources of this kind against Kubernetes' OpenAPI or a CRD. */
export function findModel({
  apiVersion,
  kind,
}: Resource): new (
  data: unknown,
) => { validate(): void } {
  const library = apiVersion.startsWith("monitoring.coreos.com/")
    ? "@kubernetes-models/prometheus-operator"
    : "kubernetes-models";
  const model = require(`${library}/${apiVersion}`)[kind];
  assert.ok(model, `${apiVersion} ${kind} is not known`);
  return model;
}
