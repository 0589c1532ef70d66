import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createContextFilter, readDockerfile, readExec } from "../../deploy/image/dockerfile.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

test("the Dockerfile is read into its stages, flags and joined lines", () => {
  const stages = readDockerfile(
    "# note\nFROM a AS one\nRUN x \\\n  && y\n\nFROM b\nCOPY --from=one /p q\n",
  );
  assert.deepEqual(
    stages.map((stage) => [stage.from, stage.name]),
    [
      ["a", "one"],
      ["b", "1"],
    ],
  );
  assert.equal(stages[0]?.steps[0]?.rest, "x && y");
  assert.deepEqual(stages[1]?.steps[0]?.flags, { from: "one" });
});

test("an instruction that the replay does not carry out is refused with its line", () => {
  assert.throws(() => readDockerfile("FROM a\nADD x y\n"), /line 2: ADD/);
  assert.throws(() => readDockerfile("FROM a\nRUN cat <<END\n"), /line 2: here-documents/);
  assert.throws(() => readDockerfile("RUN x\n"), /line 1: RUN stands before/);
  assert.throws(() => readDockerfile("# only a note\n"), /no FROM/);
});

test("the shell form of ENTRYPOINT is refused, because a shell as PID 1 eats signals", () => {
  const [stage] = readDockerfile("FROM a\nENTRYPOINT node main.js\n");
  const step = stage?.steps[0];
  assert.ok(step);
  assert.throws(() => readExec(step), /JSON list/);
});

test("only what .dockerignore excepts is sent, whole folders included", () => {
  const isSent = createContextFilter("*\n!src\n!a/b.json\n");
  assert.deepEqual(["src", "src/x/y.ts", "srcs", "a/b.json", "a/c.json", ".git"].map(isSent), [
    true,
    true,
    false,
    true,
    false,
    false,
  ]);
  assert.throws(() => createContextFilter("node_modules\n"), /must begin/);
  assert.throws(() => createContextFilter("*\n!**/*.ts\n"), /not understood/);
});

test("our image ends as a numbered user, with a health check and the process itself as PID 1", () => {
  const steps = readDockerfile(read("Dockerfile")).at(-1)?.steps ?? [];
  const last = (word: string) => steps.filter((step) => step.word === word).at(-1);
  assert.match(last("USER")?.rest ?? "", /^[1-9]\d*:[1-9]\d*$/);
  assert.ok(last("HEALTHCHECK"));
  const entry = last("ENTRYPOINT");
  assert.ok(entry);
  assert.equal(readExec(entry)[0], "node");
  assert.equal(steps.filter((step) => step.word === "RUN").length, 0, "the last stage only copies");
});

test("every file the Dockerfile copies from the context passes .dockerignore", () => {
  const isSent = createContextFilter(read(".dockerignore"));
  const copied = readDockerfile(read("Dockerfile"))
    .flatMap((stage) => stage.steps)
    .filter((step) => step.word === "COPY" && step.flags.from === undefined)
    .flatMap((step) => step.rest.split(" ").slice(0, -1));
  assert.ok(copied.length > 5);
  assert.deepEqual(
    copied.filter((path) => !isSent(path)),
    [],
  );
});
