// Writes the licences of what `npm run build` bundles beside the bundle, and ours beside the manifest.

const { execSync } = require("node:child_process");
const { copyFileSync, readdirSync, readFileSync, writeFileSync } = require("node:fs");
const { basename, join } = require("node:path");

const folders = execSync("npm ls --omit=dev --all --parseable").toString().trim().split("\n").slice(1);
const texts = folders.map((folder) => {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (!file) throw new Error(`${folder} has no licence`);
  return `${basename(folder)}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
});
writeFileSync("dist/LICENSES.txt", texts.join("\n"));
copyFileSync("../../LICENSE", "LICENSE");
