import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createLogOutput } from "../../src/gateway/log-output.ts";
import { testFolder } from "../harness/process.ts";
import { until } from "../harness/wait.ts";

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

interface Pipe {
  /** The writing end: a write to it waits for a reader, as one to an inherited pipe does. */
  readonly fd: number;
  /** Everything that is in the pipe now. */
  read(): string;
  leave(): void;
  comeBack(): void;
}

function testPipe(t: TestContext): Pipe {
  const path = join(testFolder(t), "pipe");
  execFileSync("mkfifo", [path]);
  let reader: number | undefined = openSync(path, O_RDONLY | O_NONBLOCK);
  const fd = openSync(path, O_WRONLY);
  const leave = () => {
    if (reader !== undefined) closeSync(reader);
    reader = undefined;
  };
  t.after(() => {
    leave();
    closeSync(fd);
  });
  return {
    fd,
    read() {
      const into = Buffer.alloc(1_048_576);
      let at = 0;
      try {
        while (reader !== undefined) at += readSync(reader, into, at, into.length - at, null);
      } catch {
        // Nothing more is there.
      }
      return into.toString("utf8", 0, at);
    },
    leave,
    comeBack() {
      reader = openSync(path, O_RDONLY | O_NONBLOCK);
    },
  };
}

const line = (n: number) => `${String(n).padStart(999, "0")}\n`;

test("a slow reader gets whole lines in their order, and what is above the bound is counted", async (t) => {
  const pipe = testPipe(t);
  const output = createLogOutput(pipe.fd, 100_000);
  for (let n = 0; n < 500; n++) output.write(line(n));
  let text = "";
  const isOver = () => {
    text += pipe.read();
    return text.length >= (500 - output.dropped()) * 1000;
  };
  await until(isOver, "all that waited");
  const read = text.split("\n").filter((one) => one !== "");
  assert.ok(output.dropped() > 300, `${output.dropped()} lines were dropped`);
  assert.deepEqual(
    read.map(Number),
    read.map((_, n) => n),
  );
  output.write(line(7));
  assert.equal(pipe.read(), line(7));
});

test("at the end what waits is written while somebody reads, and left while nobody does", async (t) => {
  const pipe = testPipe(t);
  const output = createLogOutput(pipe.fd, 1_000_000);
  for (let n = 0; n < 200; n++) output.write(line(n));
  await output.flush(50);
  const first = pipe.read();
  assert.ok(first.length < 200_000);
  let rest = "";
  const reading = setInterval(() => {
    rest += pipe.read();
  }, 1);
  t.after(() => clearInterval(reading));
  await output.flush(60_000);
  assert.equal((first + rest + pipe.read()).length, 200_000);
  assert.equal(output.dropped(), 0);
});

test("lines are dropped while nobody reads, and come again when somebody does", async (t) => {
  const pipe = testPipe(t);
  const output = createLogOutput(pipe.fd, 1_000_000);
  output.write(`${"x".repeat(200_000)}\n`); // more than a pipe holds: a part of it is out
  output.write(line(1));
  pipe.leave();
  await output.flush(0);
  output.write(line(2));
  assert.equal(output.dropped(), 3);
  pipe.comeBack();
  output.write("whole\n");
  let text = "";
  const isThere = () => {
    text += pipe.read();
    return text.includes("whole");
  };
  await until(isThere, "the next line");
  assert.equal(
    text.replace(/x+/, "x"),
    "x\nwhole\n",
    "a half line is ended before the next begins",
  );
  assert.equal(output.dropped(), 3);
});

test("a full disk drops lines, and a file gets its lines at its end", async (t) => {
  const full = openSync("/dev/full", "w");
  t.after(() => closeSync(full));
  const output = createLogOutput(full, 1000);
  for (let n = 0; n < 3; n++) output.write(line(n));
  await output.flush(1000);
  assert.equal(output.dropped(), 3);

  const path = join(testFolder(t), "log");
  writeFileSync(path, "before\n");
  const file = openSync(path, "a");
  t.after(() => closeSync(file));
  createLogOutput(file, 0).write("after\n");
  assert.equal(readFileSync(path, "utf8"), "before\nafter\n");
});
