import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** Files of a self-signed certificate. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes certificates in a folder that goes with the test. */
export function createCertificates(t: TestContext): {
  readonly folder: string;
  make(name: string, hosts: readonly string[], passphrase?: string): CertificateFiles;
} {
  const folder = mkdtempSync(join(tmpdir(), "sluice-tls-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return {
    folder,
    make(name, hosts, passphrase) {
      const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
      const names = hosts.map((host) => (/^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`));
      execFileSync(
        "openssl",
        [
          ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2".split(" "),
          ...(passphrase ? ["-passout", `pass:${passphrase}`] : ["-nodes"]),
          ...["-keyout", keyFile, "-out", certFile, "-subj", `/CN=${name}`],
          ...["-addext", `subjectAltName=${names.join(",")}`],
        ],
        { stdio: "ignore" },
      );
      return { certFile, keyFile };
    },
  };
}
