import { availableParallelism } from "node:os";
import { type SettingProblem, type Settings, SettingsError } from "../core/settings.ts";

/** Returns how many workers the settings ask for; 0 is none. */
export function countWorkers(settings: Settings): number {
  const { workers } = settings.cluster;
  return workers === "auto" ? availableParallelism() : Number(workers);
}

/** Throws `SettingsError` where workers are asked for and nobody starts them. */
export function refuseWorkers(settings: Settings): void {
  if (countWorkers(settings) === 0) return;
  const bound =
    "works with the command sluice only; in a program of your own start one process per core, each " +
    "with a port of its own behind a proxy, and set cluster.redisUrl";
  throw new SettingsError([{ path: "cluster.workers", value: settings.cluster.workers, bound }]);
}

/** Throws `SettingsError` for settings that workers cannot keep. */
export function checkWorkers(settings: Settings): void {
  if (countWorkers(settings) === 0) return;
  const problems: SettingProblem[] = [];
  if (settings.socket.transports.includes("polling")) {
    const bound =
      "must be websocket with cluster.workers: the requests of one long-polling client would reach " +
      "different processes; set SLUICE_SOCKET_TRANSPORTS=websocket, or run nodes behind a proxy " +
      "with sticky sessions instead";
    problems.push({ path: "socket.transports", value: '["polling", …]', bound });
  }
  if (problems.length > 0) throw new SettingsError(problems);
}
