import type { X509Certificate } from "node:crypto";
import { realpathSync } from "node:fs";
import { messageOf } from "../core/failures.ts";
import type { Log } from "../core/log.ts";
import { readKeyPair } from "../core/setting-files.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { Native, TemplatedApp } from "./native.ts";
import { createServerNames } from "./server-names.ts";

type TlsSettings = Settings["socket"]["tls"];

/** An app, and the function that renews its certificate. */
export interface OpenedApp {
  readonly app: TemplatedApp;
  readonly encrypted: boolean;
  /**
   * Reads the certificate files again and serves the certificate to new connections. Open ones are
   * not affected. Never throws: if the files are not usable, that is logged and nothing changes.
   */
  reload(): void;
}

const ROUTES = "get post options del patch put head connect trace any ws".split(" ");

/**
 * Returns an app that speaks TLS if `certFile` or `keyFile` is set, and plain HTTP otherwise.
 *
 * Throws `SettingsError` for files that are missing or do not fit each other. They are checked
 * before uWebSockets.js reads them, because it ends the process if one is bad.
 */
export function openApp(uws: Native, settings: TlsSettings, log: Log): OpenedApp {
  if (!isEncrypted(settings)) {
    const text = "there is no certificate to reload: socket.tls is not set";
    return {
      app: uws.App(),
      encrypted: false,
      reload: () => log("info", { component: "host" }, text),
    };
  }
  let served = readCertificate(settings);
  const app = uws.SSLApp(optionsOf(served, settings));
  const replay = recordRoutes(app);
  const names = createServerNames();

  function reload(): void {
    const next = readCertificate(settings);
    if (next.certificate.fingerprint256 === served.certificate.fingerprint256) {
      log("info", { component: "host" }, "the certificate has not changed");
      return;
    }
    served = next;
    const { patterns, exhausted } = names.next(namesOf(next.certificate));
    for (const pattern of patterns) {
      app.addServerName(pattern, optionsOf(next, settings));
      // Each server name has its own routes, so they are all added again.
      app.domain(pattern);
      replay();
    }
    app.domain("");
    const fields = { component: "host", patterns, validTo: next.certificate.validTo };
    log("info", fields, "new connections that name their server get the new certificate");
    if (exhausted.length > 0 || patterns.length === 0) {
      const text = "restart to serve the new certificate: no further one can be put before the old";
      log("warn", { component: "host", names: exhausted }, text);
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
        log("error", { component: "host", why }, "the certificate stays: its files are not usable");
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
 * Reads the files and checks that they fit. Returns their real paths: if a symbolic link changes
 * later, uWebSockets.js still reads the same pair.
 */
function readCertificate(settings: TlsSettings): Certificate {
  const [certFile, keyFile] = [realPathOf(settings.certFile), realPathOf(settings.keyFile)];
  const { certificate } = readKeyPair(
    ["socket.tls.certFile", certFile],
    ["socket.tls.keyFile", keyFile],
    ["socket.tls.passphrase", settings.passphrase],
  );
  return { certificate, certFile, keyFile };
}

function realPathOf(path: string): string {
  try {
    return path && realpathSync(path);
  } catch {
    return path; // reading it says why
  }
}

/** Throws `SettingsError` if there are files for TLS and they cannot be used. */
export function checkTls(settings: TlsSettings): void {
  if (isEncrypted(settings)) readCertificate(settings);
}

const isEncrypted = ({ certFile, keyFile }: TlsSettings) => certFile !== "" || keyFile !== "";

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

/** Records every route that is added to an app. The returned function adds them all again. */
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
