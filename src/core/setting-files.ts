import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createSecureContext } from "node:tls";
import { messageOf } from "./failures.ts";
import { SettingsError, showValue } from "./settings-shape.ts";

/** A setting that names a file: its path, and that of the file. */
export type FileSetting = readonly [setting: string, path: string];

/** A certificate and its private key, in PEM. */
export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** The first certificate of the file. */
  readonly certificate: X509Certificate;
}

const WHY: Readonly<Record<string, (file: string) => string>> = {
  ENOENT: (file) => `there is no file ${file}`,
  ENOTDIR: (file) => `there is no file ${file}`,
  EISDIR: (file) => `${file} is a folder`,
  EACCES: (file) => `this user may not read ${file}`,
};

/** Throws that a setting which names a file is wrong. */
export function refuseFile([setting, path]: FileSetting, bound: string): never {
  throw new SettingsError([{ path: setting, value: showValue(path), bound }]);
}

/** Returns the contents of the file that a setting names. Throws `SettingsError`. */
export function readSettingFile(setting: FileSetting): Buffer {
  const [, path] = setting;
  if (path.includes("-----BEGIN")) refuseFile(setting, "must name a file, not hold its text");
  try {
    return readFileSync(path);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException; // whatever it is, it can be read so
    return refuseFile(setting, WHY[code]?.(resolve(path)) ?? `cannot be read (${code})`);
  }
}

/**
 * Returns the certificate and the private key that two settings name. Throws `SettingsError` that
 * names the setting which is wrong; the passphrase is never in it.
 */
export function readKeyPair(
  certFile: FileSetting,
  keyFile: FileSetting,
  passphrase?: FileSetting,
): KeyPair {
  if (keyFile[1] === "") refuseFile(keyFile, `must be set too, because ${certFile[0]} is`);
  if (certFile[1] === "") refuseFile(certFile, `must be set too, because ${keyFile[0]} is`);
  const [cert, key] = [readSettingFile(certFile), readSettingFile(keyFile)];
  const certificate = readCertificate(certFile, cert);
  if (!certificate.checkPrivateKey(readKey(keyFile, key, passphrase))) {
    refuseFile(keyFile, `is not the key of the certificate in ${certFile[0]}`);
  }
  try {
    createSecureContext({ cert, key, ...(passphrase?.[1] && { passphrase: passphrase[1] }) });
  } catch (error) {
    refuseFile(certFile, `cannot be used with ${keyFile[0]}: ${reasonOf(error)}`);
  }
  return { cert, key, certificate };
}

/** Returns the first certificate of a file. Throws `SettingsError` if it has none. */
export function readCertificate(setting: FileSetting, pem: Buffer): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    return refuseFile(setting, `holds no certificate in PEM that can be used: ${reasonOf(error)}`);
  }
}

function readKey(setting: FileSetting, pem: Buffer, passphrase: FileSetting | undefined) {
  const isEncrypted = pem.includes("ENCRYPTED");
  if (isEncrypted && !passphrase) refuseFile(setting, "is encrypted: use a key without passphrase");
  const [name, words] = passphrase ?? ["", ""];
  const refuse = (bound: string) => {
    throw new SettingsError([{ path: name, value: "(secret)", bound }]);
  };
  if (isEncrypted && words === "") refuse(`must be set, because the key in ${setting[0]} needs it`);
  try {
    return createPrivateKey({ key: pem, ...(isEncrypted && { passphrase: words }) });
  } catch (error) {
    if (isEncrypted) refuse(`does not fit the key in ${setting[0]}`);
    return refuseFile(setting, `holds no private key in PEM that can be used: ${reasonOf(error)}`);
  }
}

/** Of `error:0480006C:PEM routines::no start line`, only the end is for people. */
const reasonOf = (error: unknown) => messageOf(error).split("::").at(-1) ?? "";
