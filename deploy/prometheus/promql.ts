import { parser } from "@prometheus-io/lezer-promql";

/** One series that an expression reads. */
export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

/** One condition on a label, such as `reason!~"a|b"`. */
export interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

/** What an expression names. */
export interface Named {
  readonly selectors: readonly Selector[];
  /** Labels in `by`, `without`, `on` and `ignoring`. */
  readonly grouping: readonly string[];
}

/**
 * Returns the metrics and labels that a PromQL expression names, by Prometheus' own grammar.
 *
 * Grafana's `$__rate_interval` is understood as a duration, the dashboard's `$quantile` as a number;
 * text that is not PromQL throws.
 */
export function readPromql(expression: string): Named {
  const text = expression.replace(/\$__\w+/g, "5m").replace(/\$quantile\b/g, "0.5");
  const tree = parser.parse(text);
  const selectors: { metric: string; matchers: Matcher[] }[] = [];
  const grouping = new Set<string>();
  let matcher: { label: string; operator: string; value: string } | undefined;
  tree.iterate({
    enter(node) {
      const own = text.slice(node.from, node.to);
      if (node.type.isError) throw new Error(`not PromQL at "${text.slice(node.from)}": ${text}`);
      if (node.name === "VectorSelector") selectors.push({ metric: "", matchers: [] });
      const last = selectors.at(-1);
      const inside = node.node.parent?.name;
      if (node.name === "Identifier" && inside === "VectorSelector" && last) last.metric = own;
      if (node.name === "LabelName" && inside === "GroupingLabels") grouping.add(own);
      if (node.name === "UnquotedLabelMatcher") {
        matcher = { label: "", operator: "", value: "" };
        last?.matchers.push(matcher);
      }
      if (!matcher || inside !== "UnquotedLabelMatcher") return;
      if (node.name === "LabelName") matcher.label = own;
      if (node.name === "MatchOp") matcher.operator = own;
      if (node.name === "StringLiteral") matcher.value = own.slice(1, -1);
    },
  });
  return { selectors, grouping: [...grouping] };
}
