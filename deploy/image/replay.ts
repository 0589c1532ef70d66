/**
 * Builds the Dockerfile without a container engine: every instruction, read from the file itself,
 * is carried out in copies of a root directory that stands for the base image.
 *
 * usage: replay.ts <base image>=<root> <context> <out>   (as root, on Linux)
 *
 * Leaves `<out>/root`, the file system of the last stage, and `<out>/image.json`, its settings.
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, isAbsolute, join, posix, relative } from "node:path";
import {
  createContextFilter,
  type Instruction,
  readDockerfile,
  readExec,
  type Stage,
} from "./dockerfile.ts";
import { measureLayer } from "./layer.ts";

/** What a container engine would keep beside the layers. */
export interface ImageConfig {
  env: Record<string, string>;
  workdir: string;
  user: string;
  ports: string[];
  stopSignal: string;
  entrypoint: readonly string[];
  cmd: readonly string[];
  healthcheck: readonly string[];
}

interface Build {
  readonly root: string;
  readonly context: string;
  readonly isSent: (path: string) => boolean;
  /** Finished stages, name to root. */
  readonly stages: ReadonlyMap<string, string>;
  readonly image: ImageConfig;
}

const [base = "", context = "", out = ""] = process.argv.slice(2);
const [baseName, baseRoot = ""] = base.split("=");

function replay(): void {
  const stages = readDockerfile(readFileSync(join(context, "Dockerfile"), "utf8"));
  const isSent = createContextFilter(readFileSync(join(context, ".dockerignore"), "utf8"));
  const roots = new Map<string, string>();
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  let image = emptyConfig();
  for (const stage of stages) {
    const last = stage === stages.at(-1);
    const root = join(out, last ? "root" : `stage-${stage.name}`);
    image = emptyConfig();
    replayStage(stage, { root, context, isSent, stages: roots, image });
    roots.set(stage.name, root);
  }
  for (const [, root] of roots) if (basename(root) !== "root") rmSync(root, { recursive: true });
  const layer = measureLayer(baseRoot, join(out, "root"));
  writeFileSync(join(out, "image.json"), `${JSON.stringify({ image, layer }, null, 2)}\n`);
  console.log(
    `application layer: ${layer.files} files, ${mb(layer.bytes)} MB, ${mb(layer.gzipBytes)} MB ` +
      `compressed, content sha256 ${layer.digest.slice(0, 16)}`,
  );
}

function replayStage(stage: Stage, build: Build): void {
  if (stage.from !== baseName) {
    throw new Error(`FROM ${stage.from}: this replay has a root for ${baseName} only`);
  }
  console.log(`FROM ${stage.from} AS ${stage.name}`);
  run("cp", ["-a", "--reflink=auto", baseRoot, build.root]);
  for (const step of stage.steps) {
    console.log(`  ${step.word} ${step.rest}`);
    carryOut(step, build);
  }
}

function carryOut(step: Instruction, build: Build): void {
  const { image } = build;
  if (step.word === "RUN") runStep(step, build);
  else if (step.word === "COPY") copyStep(step, build);
  else if (step.word === "WORKDIR") {
    image.workdir = posix.resolve(image.workdir, step.rest);
    mkdirSync(join(build.root, image.workdir), { recursive: true });
  } else if (step.word === "ENV") {
    for (const pair of step.rest.split(" ")) {
      const [key = "", ...value] = pair.split("=");
      image.env[key] = value.join("=");
    }
  } else if (step.word === "USER") image.user = step.rest;
  else if (step.word === "EXPOSE") image.ports.push(...step.rest.split(" "));
  else if (step.word === "STOPSIGNAL") image.stopSignal = step.rest;
  else if (step.word === "ENTRYPOINT") image.entrypoint = readExec(step);
  else if (step.word === "CMD") image.cmd = readExec(step);
  else if (step.word === "HEALTHCHECK")
    image.healthcheck = readExec(step, step.rest.replace(/^CMD\s+/, ""));
  else if (step.word !== "LABEL") throw new Error(`line ${step.line}: ${step.word} has no replay`);
}

function copyStep(step: Instruction, build: Build): void {
  const words = step.rest.split(" ");
  const to = words.pop() ?? "";
  const stage = step.flags.from;
  if (Object.keys(step.flags).some((flag) => flag !== "from"))
    throw new Error(`line ${step.line}: only --from is understood`);
  const source = stage === undefined ? build.context : build.stages.get(stage);
  if (source === undefined) throw new Error(`line ${step.line}: there is no stage ${stage}`);
  const target = join(build.root, posix.resolve(build.image.workdir, to));
  const intoFolder = to.endsWith("/") || to === "." || words.length > 1;
  for (const word of words) {
    const from = join(source, word);
    if (!existsSync(from)) throw new Error(`line ${step.line}: ${word} does not exist`);
    const goal = statSync(from).isFile() && intoFolder ? join(target, basename(word)) : target;
    const isSent = (path: string) => build.isSent(relative(build.context, path));
    const wanted = stage === undefined ? { filter: sentOrAbove(isSent, from) } : {};
    cpSync(from, goal, {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true,
      ...wanted,
    });
    if (!existsSync(goal)) throw new Error(`line ${step.line}: .dockerignore hides ${word}`);
  }
}

/** A folder is walked when something below it may be sent. */
function sentOrAbove(isSent: (path: string) => boolean, from: string) {
  return (path: string) => isSent(path) || (path === from && statSync(path).isDirectory());
}

/** Runs one step as the engine would: own mounts, the image's environment, nothing of the host's. */
function runStep(step: Instruction, build: Build): void {
  const { image, root } = build;
  const lent = join(root, "run/lent");
  mkdirSync(lent, { recursive: true });
  const cache = join(process.env.IMAGE_CACHE ?? out, "npm");
  mkdirSync(cache, { recursive: true });
  // The host's name service, trust store and package cache are lent for the step and taken back.
  const env: Record<string, string> = { ...image.env, npm_config_cache: "/run/lent/npm" };
  const trust = process.env.NODE_EXTRA_CA_CERTS;
  if (trust !== undefined) {
    cpSync(trust, join(lent, "ca.crt"), { dereference: true });
    env.NODE_EXTRA_CA_CERTS = "/run/lent/ca.crt";
  }
  const script = [
    `mount -t proc proc "$ROOT/proc"`,
    `touch "$ROOT/etc/resolv.conf" && mount --bind /etc/resolv.conf "$ROOT/etc/resolv.conf"`,
    `mkdir -p "$ROOT/run/lent/npm" && mount --bind "$CACHE" "$ROOT/run/lent/npm"`,
    `exec chroot --userspec="$AS" "$ROOT" env -i "$@"`,
  ].join("\n");
  const pairs = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  const inside = ["/bin/sh", "-c", `cd ${image.workdir} && ${step.rest}`];
  const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const home = "HOME=/root";
  run(
    "unshare",
    ["--mount", "--pid", "--fork", "sh", "-ec", script, "step", path, home, ...pairs, ...inside],
    { ROOT: root, CACHE: cache, AS: image.user },
  );
  rmSync(lent, { recursive: true });
}

function run(command: string, words: readonly string[], env: Record<string, string> = {}): void {
  const done = spawnSync(command, words, {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...env },
  });
  if (done.status !== 0) throw new Error(`${command} ended with ${done.status ?? done.signal}`);
}

function emptyConfig(): ImageConfig {
  return {
    env: {},
    workdir: "/",
    user: "0:0",
    ports: [],
    stopSignal: "SIGTERM",
    entrypoint: [],
    cmd: [],
    healthcheck: [],
  };
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

if (!baseName || !isAbsolute(baseRoot) || !isAbsolute(context) || !isAbsolute(out)) {
  console.error("usage: replay.ts <base image>=</abs/root> </abs/context> </abs/out>");
  process.exit(64);
}
replay();
