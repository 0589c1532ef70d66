/**
 * The controls of the scenario `start`: `start-plain <kind> <port>` listens as soon as it can. Each
 * kind loads only what it needs.
 */
const [, , kind = "", port = ""] = process.argv;

if (kind === "node") {
  const { createServer } = await import("node:http");
  createServer((_, res) => res.end()).listen(Number(port), "127.0.0.1");
} else {
  const { Server } = await import("socket.io");
  const options = { serveClient: false };
  if (kind === "stock-ws") {
    const { createServer } = await import("node:http");
    const http = createServer();
    new Server(http, options);
    http.listen(Number(port), "127.0.0.1");
  } else {
    const { loadUws } = await import("./native.ts");
    const app = loadUws().uws.App();
    new Server(options).attachApp(app);
    app.listen("127.0.0.1", Number(port), () => {});
  }
}
