// Makes the package: for `import` and for `require`, with types that need neither a browser's nor Node's.
import { execFileSync } from "node:child_process";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL(".", import.meta.url)));
rmSync("dist", { recursive: true, force: true });
const kinds = [
  ["esm", "ES2022", "Bundler", "module"],
  ["cjs", "CommonJS", "Node10", "commonjs"],
];
for (const [folder, module, moduleResolution, type] of kinds) {
  const out = `dist/${folder}`;
  const options = ["--module", module, "--moduleResolution", moduleResolution, "--outDir", out];
  execFileSync("node_modules/.bin/tsc", ["--project", "tsconfig.package.json", ...options], { stdio: "inherit" });
  copyFileSync("schema.d.ts", `${out}/schema.d.ts`);
  writeFileSync(`${out}/package.json`, `${JSON.stringify({ type })}\n`);
}
