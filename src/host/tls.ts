import { X509Certificate } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { Log } from "../core/log.ts";
import { messageOf } from "../core/message-of.ts";
import { type Settings, SettingsError } from "../core/settings.ts";
import type { Native, TemplatedApp } from "./native.ts";
import { createServerNames } from "./server-names.ts";

type TlsSettings = Settings["socket"]["tls"];

/** An app, and how its certificate is replaced. */
export interface OpenedApp {
  readonly app: TemplatedApp;
  readonly encrypted: boolean;
  /**
   * Serves the certificate that its files hold now to new connections; open ones go on. Never
   * throws: files that are not usable are logged and change nothing.
   */
  reload(): void;
}

const ROUTES = "get post options del patch put head connect trace any ws".split(" ");

/**
 * Returns an app that speaks TLS if `certFile` is set, plain HTTP otherwise.
 *
 * Throws `SettingsError` for files that are missing or do not fit each other: they are tried before
 * uWebSockets.js sees them, because it ends the process over a bad one.
 */
export function openApp(uws: Native, settings: TlsSettings, log: Log): OpenedApp {
  if (settings.certFile === "" && settings.keyFile === "") {
    const text = "there is no certificate to reload: socket.tls is not set";
    return {
      app: uws.App(),
      encrypted: false,
      reload: () => log("info", { room: "socket" }, text),
    };
  }
  let shown = readCertificate(settings);
  const app = uws.SSLApp(optionsOf(shown, settings));
  const replay = recordRoutes(app);
  const names = createServerNames();

  function reload(): void {
    const next = readCertificate(settings);
    if (next.certificate.fingerprint256 === shown.certificate.fingerprint256) {
      log("info", { room: "socket" }, "the certificate has not changed");
      return;
    }
    shown = next;
    const { patterns, exhausted } = names.next(namesOf(next.certificate));
    for (const pattern of patterns) {
      app.addServerName(pattern, optionsOf(next, settings));
      // Every server name has routes of its own.
      app.domain(pattern);
      replay();
    }
    app.domain("");
    const fields = { room: "socket", patterns, validTo: next.certificate.validTo };
    log("info", fields, "new connections that name their server get the new certificate");
    if (exhausted.length > 0 || patterns.length === 0) {
      const text = "restart to serve the new certificate: no further one can be put before the old";
      log("warn", { room: "socket", names: exhausted }, text);
    }
  }
  return {
    app,
    encrypted: true,
    reload() {
      try {
        reload();
      } catch (error) {
        const why = messageOf(error);
        log("error", { room: "socket", why }, "the certificate stays: its files are not usable");
      }
    },
  };
}

interface Certificate {
  readonly certificate: X509Certificate;
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * Reads and tries the files; the paths returned are real ones, so that a swapped link cannot mix.
 */
function readCertificate(settings: TlsSettings): Certificate {
  try {
    const certFile = realpathSync(settings.certFile);
    const keyFile = realpathSync(settings.keyFile);
    const cert = readFileSync(certFile);
    const key = readFileSync(keyFile);
    // Throws unless the key opens and belongs to the certificate.
    createSecureContext({
      cert,
      key,
      ...(settings.passphrase && { passphrase: settings.passphrase }),
    });
    return { certificate: new X509Certificate(cert), certFile, keyFile };
  } catch (error) {
    const why = messageOf(error);
    const value = JSON.stringify([settings.certFile, settings.keyFile]);
    throw new SettingsError([{ path: "socket.tls", value, bound: `not usable: ${why}` }]);
  }
}

function optionsOf(from: Certificate, settings: TlsSettings) {
  return {
    cert_file_name: from.certFile,
    key_file_name: from.keyFile,
    ...(settings.passphrase && { passphrase: settings.passphrase }),
  };
}

function namesOf(certificate: X509Certificate): string[] {
  const names = certificate.subjectAltName?.split(", ") ?? [];
  return names.filter((name) => name.startsWith("DNS:")).map((name) => name.slice(4).toLowerCase());
}

/** Remembers every route that is put on an app; the returned function puts them on again. */
function recordRoutes(app: TemplatedApp): () => void {
  type Register = (...given: unknown[]) => TemplatedApp;
  const methods = app as unknown as Record<string, Register>; // ROUTES are methods of every app
  const records: (() => void)[] = [];
  for (const name of ROUTES) {
    const register = methods[name]?.bind(app);
    if (!register) continue;
    methods[name] = (...given) => {
      records.push(() => register(...given));
      register(...given);
      return app;
    };
  }
  return () => {
    for (const record of records) record();
  };
}
