/**
 * Exits 0 if the gateway of this container answers `GET /healthz`, else 1.
 *
 * It reads the same variables as the gateway, so that moving a port cannot leave the check behind.
 */
const { SLUICE_API_PORT, SLUICE_SOCKET_PORT, PORT } = process.env;
const apiPort = Number(SLUICE_API_PORT ?? 0);
const port = apiPort > 0 ? apiPort : Number(SLUICE_SOCKET_PORT ?? PORT ?? 3000);
// Below the HEALTHCHECK's own timeout, so that the reason is printed rather than a kill.
const signal = AbortSignal.timeout(2500);
try {
  const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { signal });
  console.log(`healthz ${answer.status}`);
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  console.error(`healthz on port ${port}: ${error.cause?.code ?? error.message}`);
  process.exitCode = 1;
}
