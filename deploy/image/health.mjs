/**
 * Exits 0 if the gateway of this container answers `GET /healthz`, else 1.
 *
 * It reads the same variables as the gateway, so that moving a port or TLS cannot leave the check
 * behind.
 */
import { get as getPlain } from "node:http";
import { get as getEncrypted } from "node:https";

const { SLUICE_API_PORT, SLUICE_SOCKET_PORT, SLUICE_SOCKET_TLS_CERT_FILE, PORT } = process.env;
// Kubernetes sets variables of the same names to addresses, for Services named sluice-api and so on.
const read = (text) => (/^\d+$/.test(text ?? "") ? Number(text) : undefined);
const apiPort = read(SLUICE_API_PORT) ?? 0;
const port = apiPort > 0 ? apiPort : (read(SLUICE_SOCKET_PORT) ?? read(PORT) ?? 3000);
// The API port never speaks TLS.
const get = apiPort === 0 && SLUICE_SOCKET_TLS_CERT_FILE ? getEncrypted : getPlain;
const options = {
  ...{ host: "127.0.0.1", port, path: "/healthz", agent: false },
  // The certificate names the host that clients know, not this one.
  rejectUnauthorized: false,
  // Below the HEALTHCHECK's own timeout, so that the reason is printed rather than a kill.
  signal: AbortSignal.timeout(2500),
};
get(options, (answer) => {
  answer.resume();
  console.log(`healthz ${answer.statusCode}`);
  process.exitCode = answer.statusCode === 200 ? 0 : 1;
}).once("error", (error) => {
  console.error(`healthz on port ${port}: ${error.code ?? error.message}`);
  process.exitCode = 1;
});
