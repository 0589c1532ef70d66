import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type FLAGS,
  judgeConnects,
  judgeDelivery,
  judgeDuration,
  judgeGeneratorLag,
  judgeNoise,
  judgeSaturation,
  makeFlag,
} from "../../bench/rig/flags.ts";
import { compareSamples, readCpuTicks, readProcessTicks } from "../../bench/rig/noise.ts";
import { exitCodeOf } from "../../bench/rig/run-all.ts";

const QUIET = {
  steal_share: 0.05,
  foreign_share: 0.1,
  psi_cpu_some: 0,
  loadavg: [0, 0, 0],
  idle_probe_lag_us_p99: 20_000,
  idle_probe_lag_us_max: 20_000,
  seconds: [],
};
const codes = (flags: readonly { code: string }[]) => flags.map((flag) => flag.code);

test("a machine at every limit is quiet enough, above any of them it is not", () => {
  assert.deepEqual(judgeNoise(QUIET), []);
  const loud = { steal_share: 0.051, foreign_share: 0.101, idle_probe_lag_us_p99: 20_001 };
  assert.deepEqual(codes(judgeNoise({ ...QUIET, ...loud })), [
    "noisy_steal",
    "noisy_neighbours",
    "noisy_probe",
  ]);
});

test("planted neighbours and steal are read from the counters of the kernel", () => {
  const before = { cpu: readCpuTicks("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 …"), own: 50 };
  const after = { cpu: readCpuTicks("cpu  150 10 120 870 0 0 0 50 0 0\ncpu0 …"), own: 80 };
  const shares = compareSamples(before, after);
  // 200 ticks passed: 80 busy, of which 30 our own, and 50 stolen.
  assert.deepEqual(shares, { steal_share: 0.25, foreign_share: 0.25 });
  assert.deepEqual(codes(judgeNoise({ ...QUIET, ...shares })), ["noisy_steal", "noisy_neighbours"]);
});

test("a process with spaces and parentheses in its name is read all the same", () => {
  const fields = Array.from({ length: 50 }, (_, i) => i).join(" ");
  assert.equal(readProcessTicks(`12 (a) b (c)) ${fields.replace("0", "S")}`), 11 + 12 + 13 + 14);
});

test("the server must be the only limit of a saturated round", () => {
  assert.deepEqual(judgeSaturation({ server: 0.95, client: 0.85, waiting: 0.05 }), []);
  const busy = judgeSaturation({ server: 0.99, client: 0.86, waiting: 0 });
  assert.deepEqual(codes(busy), ["client_limit"]);
  const slow = judgeSaturation({ server: 0.7, client: 0.3, waiting: 0.3 });
  assert.deepEqual(codes(slow), ["client_limit"]);
  const starved = judgeSaturation({ server: 0.94, client: 0.3, waiting: 0 });
  assert.deepEqual(codes(starved), ["server_starved"]);
});

test("every way to go wrong in delivery has its flag", () => {
  const right = { expected: 10, received: 10, lost: 0, duplicated: 0, reordered: 0 };
  assert.deepEqual(judgeDelivery(right), []);
  const wrong = { expected: 10, received: 11, lost: 1, duplicated: 1, reordered: 1 };
  assert.deepEqual(codes(judgeDelivery({ ...wrong, stray: 1, closed: 1, early: 1 })), [
    "lost",
    "duplicated",
    "reordered",
    "over_delivery",
    "negative_skew",
    "stray",
    "closed",
  ]);
  const nothing = { ...right, expected: 0, received: 0 };
  assert.deepEqual(codes(judgeDelivery(nothing)), ["nothing_measured"]);
});

test("connect failures, lateness and duration have a limit each", () => {
  assert.deepEqual(judgeConnects(199, 1, ["x"]), []);
  assert.deepEqual(codes(judgeConnects(99, 1, ["x"])), ["connect_failed"]);
  assert.deepEqual(codes(judgeConnects(0, 1, ["x"])), ["nothing_measured"]);
  assert.deepEqual(judgeGeneratorLag(5000), []);
  assert.deepEqual(codes(judgeGeneratorLag(5001)), ["generator_late"]);
  assert.deepEqual(judgeDuration(250, 100, 100), []);
  assert.deepEqual(codes(judgeDuration(251, 100, 100)), ["overrun"]);
});

test("the exit code tells wrong messages from a loud machine", () => {
  const run = (code: keyof typeof FLAGS, strict = false) =>
    exitCodeOf([{ flags: [makeFlag("error", code, "")], rounds: [], valid: false }], {
      strict,
      interrupted: false,
    });
  assert.equal(run("lost"), 2);
  assert.equal(run("wrong_content"), 2);
  assert.equal(run("subject_failed"), 1);
  assert.equal(run("noisy_neighbours"), 0);
  assert.equal(run("noisy_neighbours", true), 3);
});
