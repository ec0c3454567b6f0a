// What every part of Node.js shares: it is driven by lines of JSON on its
// standard input, answers each with one line, and ends when the input does, so
// a test that dies leaves no process behind.
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function say(answer) {
  process.stdout.write(JSON.stringify(answer) + '\n');
}

// configuration is the first line.
export async function configuration() {
  const { value, done } = await lines.next();
  if (done) process.exit(0);
  return JSON.parse(value);
}

// obey says that the part is ready and then answers commands: {"do": name, …}
// calls commands[name] with the line.
export async function obey(ready, commands) {
  say(ready);
  for await (const line of lines) {
    try {
      const command = JSON.parse(line);
      say({ ok: true, ...(await commands[command.do](command)) });
    } catch (error) {
      say({ ok: false, error: String(error?.message ?? error) });
    }
  }
  process.exit(0);
}

// versionOf is the version of a package that npm installed.
export function versionOf(name) {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')).version;
}
