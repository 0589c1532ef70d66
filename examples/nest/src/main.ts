import { NestFactory } from "@nestjs/core";
import { SluiceAdapter } from "sluice/nest";
import { AppModule } from "./app.module.js";

const app = await NestFactory.create(AppModule);
const adapter = new SluiceAdapter(app, { socket: { drainMs: 2000 } });
app.useWebSocketAdapter(adapter);
app.enableShutdownHooks(); // SIGTERM and SIGINT drain and stop
await app.listen(process.env.PORT ?? 3000);
console.log(JSON.stringify({ port: adapter.gateway.port }));
