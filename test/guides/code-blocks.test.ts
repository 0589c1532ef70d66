import assert from "node:assert/strict";
import { test } from "node:test";
import { findCodeBlocks, readCodeBlock } from "../harness/code-blocks.ts";

const PAGE = `
\`\`\`ts title="one.ts"
const one = 1;

console.log(one);
\`\`\`

\`\`\`sh
not this one
\`\`\`

1. In a list:

   \`\`\`js {1} title="two.js"
   two();
     indented();
   \`\`\`

\`\`\`\`md title="fence.md"
\`\`\`ts
inside
\`\`\`
\`\`\`\`
`;

test("the code blocks of a page that have a title are found, without their indent", () => {
  assert.deepEqual(findCodeBlocks(PAGE), [
    { title: "one.ts", language: "ts", code: "const one = 1;\n\nconsole.log(one);\n" },
    { title: "two.js", language: "js", code: "two();\n  indented();\n" },
    { title: "fence.md", language: "md", code: "```ts\ninside\n```\n" },
  ]);
});

test("a title that no block of a page has is an error that names both", () => {
  assert.throws(
    () => readCodeBlock("README.md", "nowhere.ts"),
    /README\.md has 0 code blocks with the title nowhere\.ts/,
  );
});
