import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readFiles, readNotes, readSection } from "../../deploy/release/notes.ts";

const CHANGELOG = `# Changelog

## [Unreleased]

## [1.2.0] - 2027-01-31

### Added

- A thing.

## [1.1.0] - 2027-01-01

- Older.

[1.1.0]: https://example.com/1.1.0
`;

const ready = {
  versions: new Map([
    ["package.json", "1.2.0"],
    ["packages/edge/package.json", "1.2.0"],
  ]),
  changelog: CHANGELOG,
};

test("the notes of a release are the section of its version, and nothing of the others", () => {
  assert.equal(readNotes("v1.2.0", ready), "### Added\n\n- A thing.");
  assert.equal(readSection(CHANGELOG, "1.1.0"), "- Older.");
});

test("a release is refused with everything that does not name its version", () => {
  const versions = new Map([...ready.versions, ["packages/edge/package.json", "1.1.0"]]);
  assert.throws(
    () => readNotes("v1.3.0", { versions, changelog: CHANGELOG }),
    /package\.json has 1\.2\.0; .*edge.* has 1\.1\.0; CHANGELOG\.md has no section \[1\.3\.0\]/,
  );
  // An empty section is as good as none.
  assert.equal(readSection(CHANGELOG, "Unreleased"), undefined);
});

test("this tree's files name one version, and its changelog tells what is unreleased", () => {
  const { versions, changelog } = readFiles(fileURLToPath(new URL("../../", import.meta.url)));
  assert.equal(new Set(versions.values()).size, 1, JSON.stringify([...versions]));
  assert.match(readSection(changelog, "Unreleased") ?? "", /^- /m);
});
