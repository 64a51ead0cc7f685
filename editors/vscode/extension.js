// Starts `archdsl lsp` for YAML files that are specs; everything else is the server's.

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

const FIRST_LINES = 20;
let client;

function isSpec(document) {
  const lines = Math.min(FIRST_LINES, document.lineCount);
  const range = new vscode.Range(0, 0, lines, 0);
  return document.languageId === "yaml" && /^archdsl:/m.test(document.getText(range));
}

async function start(document) {
  if (client || !isSpec(document)) return;
  const command = vscode.workspace.getConfiguration("archdsl").get("command");
  const run = { command, args: ["lsp"] };
  const options = {
    documentSelector: [{ language: "yaml" }],
    middleware: {
      didOpen: (opened, next) => (isSpec(opened) ? next(opened) : Promise.resolve()),
    },
  };
  client = new LanguageClient("archdsl", "archdsl", { run, debug: run }, options);
  await client.start();
}

function activate(context) {
  vscode.workspace.textDocuments.forEach(start);
  context.subscriptions.push(vscode.workspace.onDidOpenTextDocument(start));
}

function deactivate() {
  return client && client.stop();
}

module.exports = { activate, deactivate };
