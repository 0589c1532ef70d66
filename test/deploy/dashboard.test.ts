import assert from "node:assert/strict";
import { test } from "node:test";
import { FIRST_ROWS } from "../../deploy/grafana/first-rows.ts";
import { FOLDED_ROWS } from "../../deploy/grafana/folded-rows.ts";
import { collectRest } from "../../deploy/grafana/more.ts";

const ROWS = [...FIRST_ROWS, ...FOLDED_ROWS];

function findTwice(all: readonly string[]): string[] {
  return all.filter((one, at) => all.indexOf(one) !== at);
}

test("no two rows, panels or queries of the dashboard are alike", () => {
  const panels = ROWS.flatMap((row) => row.panels);
  assert.deepEqual(findTwice(ROWS.map(({ title }) => title)), []);
  assert.deepEqual(findTwice(panels.map(({ title }) => title)), []);
  const queries = panels.flatMap(({ lines }) => Object.keys(lines));
  assert.deepEqual(findTwice(queries), []);
});

test("every title of the dashboard is for a person, those of metrics without a panel, too", () => {
  const all = [...ROWS, ...collectRest([])].flatMap((row) => row.panels);
  assert.ok(all.length > 100, "every metric once more, without the panels of before");
  for (const { title } of all) assert.match(title, /^[A-Z\d][^_]{3,}$/);
});
