// Asks Khronos' validator about GLB files.
//
// usage: node validate.mjs MODULES ANSWER.json FILE...
//
// MODULES is the folder whose node_modules has gltf-validator. ANSWER.json gets a list with one object
// per file: {"file", "errors", "warnings", "messages": ["SEVERITY CODE pointer: text"]}.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [modules, answer, ...files] = process.argv.slice(2);
const { validateBytes } = createRequire(join(resolve(modules), "/"))("gltf-validator");
const severities = ["error", "warning", "information", "hint"];

const verdicts = [];
for (const file of files) {
  const report = await validateBytes(new Uint8Array(await readFile(file)), {
    uri: file,
    maxIssues: 20,
    writeTimestamp: false,
  });
  const messages = report.issues.messages.map(
    ({ severity, code, pointer, message }) =>
      `${severities[severity]} ${code} ${pointer ?? ""}: ${message}`,
  );
  const { numErrors: errors, numWarnings: warnings } = report.issues;
  verdicts.push({ file, errors, warnings, messages });
}
await writeFile(answer, JSON.stringify(verdicts));
