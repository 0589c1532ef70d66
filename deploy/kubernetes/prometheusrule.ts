import { stringify } from "yaml";
import { readGroups } from "../prometheus/rules.ts";

/** Returns the rules of deploy/prometheus/rules as the Prometheus operator's resource. */
export function createPrometheusRule(): string {
  const resource = {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PrometheusRule",
    metadata: { name: "sluice" },
    spec: { groups: readGroups() },
  };
  return `# Written by npm run docs from deploy/prometheus/rules; do not edit.\n${stringify(resource)}`;
}
