// Asks Khronos' validator about GLB files.
//
// usage: node validate.mjs MODULES FILE...
//
// MODULES is the folder whose node_modules has gltf-validator. Prints one JSON object per file and
// line: {"file", "errors", "warnings", "messages": ["SEVERITY CODE pointer: text"]}.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [modules, ...files] = process.argv.slice(2);
const { validateBytes } = createRequire(join(resolve(modules), "/"))("gltf-validator");
const severities = ["error", "warning", "information", "hint"];

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
  console.log(JSON.stringify({ file, errors, warnings, messages }));
}
