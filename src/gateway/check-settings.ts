import { checkPaths } from "../api/api.ts";
import { createKeyring } from "../api/grants.ts";
import { listRoutes } from "../api/routes.ts";
import { checkWorkers, refuseWorkers } from "../cluster/worker-settings.ts";
import { silentLog } from "../core/log.ts";
import { hasUpstream } from "../core/settings.ts";
import { type SettingProblem, type Settings, SettingsError } from "../core/settings-shape.ts";
import { createAddressReader } from "../door/address.ts";
import { createOriginCheck } from "../door/origin.ts";
import { createTokenCheck } from "../door/tokens.ts";
import { checkModule } from "../handlers/module.ts";
import { checkHost } from "../host/listen.ts";
import { checkTls } from "../host/tls.ts";
import { createApiTokenCheck } from "./serve-api.ts";

/**
 * Rejects with `SettingsError` for all settings that no gateway can start with, though each is
 * within its bounds: addresses and URLs that are none, files that cannot be used, keys that do not
 * fit, settings that contradict each other. Nothing is started or connected.
 *
 * The rooms check the same when they are created, one after the other; here, all problems are found
 * at once. The code for parts that are not in use is not loaded.
 */
export async function checkSettings(
  settings: Settings,
  { folder, hasWorkers }: { readonly folder: string; readonly hasWorkers: boolean },
): Promise<void> {
  const { socket, auth, api, handlers, metrics, cluster, trace } = settings;
  const checks: (() => unknown)[] = [
    () => checkHost(socket),
    () => api.port !== 0 && checkHost({ ...api, section: "api" }),
    () => checkTls(socket.tls),
    () => createAddressReader(socket),
    () => createOriginCheck(socket),
    () => (hasWorkers ? checkWorkers : refuseWorkers)(settings),
    () => auth.mode === "jwt" && createTokenCheck(auth, IDLE),
    () => handlers.module !== "" && checkModule(handlers.module, folder),
    () => createKeyring(api.keys),
    () => createApiTokenCheck(settings, silentLog),
    () => checkPaths(listRoutes(metrics.path)),
  ];
  if (cluster.redisUrl !== "") {
    const { createConnect } = await import("../cluster/connect.ts");
    const { checkPubSub } = await import("./serve-cluster.ts");
    checks.push(
      () => createConnect(cluster),
      () => checkPubSub(cluster),
    );
  }
  if (hasUpstream(settings) || auth.mode === "upstream") {
    const { checkUpstream } = await import("./serve-upstream.ts");
    checks.push(() => checkUpstream(settings));
  }
  if (trace.otlpUrl !== "") {
    const { readCollectorUrl } = await import("../trace/exporter.ts");
    checks.push(() => readCollectorUrl(trace.otlpUrl));
  }
  const problems = (await Promise.all(checks.map(problemsOf))).flat();
  if (problems.length > 0) throw new SettingsError(problems);
}

/** For the check of a token that never comes. */
const IDLE = { now: Date.now, ticks: () => 0, log() {}, fetched() {} };

async function problemsOf(check: () => unknown): Promise<readonly SettingProblem[]> {
  try {
    await check();
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}
