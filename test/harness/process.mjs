// Child processes of a test: started here, ended here, also when the test fails, throws or is interrupted. Nothing is
// ever ended by name, only by the pid we started.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '../..');
export const binary = path.resolve(process.env.TIDEMARK_BINARY ?? path.join(root, 'build/release/tidemark'));

const living = new Set();

process.on('exit', () => {
  for (const child of living) {
    try {
      process.kill(child.pid, 'SIGKILL');
    } catch {
      // it ended by itself
    }
  }
});
let own_ending = false;
// For a program that ends its servers itself when a signal comes; what it forgets is still ended at exit.
export function ends_itself() {
  own_ending = true;
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => own_ending || process.exit(130));

export class Child {
  // `log`: a file that gets stdout and stderr; without it both are kept in memory.
  constructor(command, args, { env = {}, cwd = root, log } = {}) {
    this.command = [command, ...args].join(' ');
    this.stdout = '';
    this.stderr = '';
    const out = log ? fs.openSync(log, 'a') : 'pipe';
    this.process = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', out, out] });
    if (log) fs.closeSync(out);
    living.add(this.process);
    this.process.stdout?.on('data', (text) => (this.stdout += text));
    this.process.stderr?.on('data', (text) => (this.stderr += text));
    this.ended = new Promise((resolve) => {
      this.process.once('error', (error) => {
        living.delete(this.process);
        this.stderr += error.message;
        resolve({ code: 127, signal: null });
      });
      this.process.once('close', (code, signal) => {
        living.delete(this.process);
        resolve({ code, signal });
      });
    });
  }
  get pid() {
    return this.process.pid;
  }
  get running() {
    return this.process.exitCode === null && this.process.signalCode === null && living.has(this.process);
  }
  kill(signal = 'SIGTERM') {
    if (this.running) this.process.kill(signal);
  }
  // Ends it and returns how it ended; SIGKILL after the grace, which counts as a failure to end.
  async end({ signal = 'SIGTERM', grace_ms = 30_000 } = {}) {
    if (!this.running) return this.ended;
    this.kill(signal);
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(() => resolve(null), grace_ms)));
    const outcome = await Promise.race([this.ended, late]);
    clearTimeout(timer);
    if (outcome) return outcome;
    this.kill('SIGKILL');
    await this.ended;
    throw new Error(`${this.command} did not end within ${grace_ms} ms of ${signal}`);
  }
}

// Runs to the end: {code, stdout, stderr}.
export async function run(command, args, { input, timeout_ms = 120_000, env = {}, cwd = root } = {}) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  living.add(child);
  const out = [];
  const errors = [];
  child.stdout.on('data', (data) => out.push(data));
  child.stderr.on('data', (data) => errors.push(data));
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, timeout_ms);
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve(status ?? `signal ${signal}`));
  }).finally(() => {
    clearTimeout(timer);
    living.delete(child);
  });
  const stderr = Buffer.concat(errors).toString();
  if (late) throw new Error(`${command} ${args.join(' ')}: not done after ${timeout_ms} ms\n${stderr}`);
  return { code, stdout: Buffer.concat(out).toString(), stderr };
}

export function run_now(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 30, ...options });
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${result.status}\n${result.stderr}`);
  return result.stdout;
}

// Waits for a condition, never for a time: returns its first truthy value, and fails with `what` and the last thing
// seen when the deadline passes. An exception inside counts as "not yet".
export async function eventually(what, condition, { deadline_ms = 60_000, every_ms = 25 } = {}) {
  const end = performance.now() + deadline_ms;
  let last = 'nothing';
  for (;;) {
    try {
      const value = await condition((seen) => (last = seen));
      if (value) return value;
    } catch (error) {
      if (error.final) throw error;
      last = error.message;
    }
    if (performance.now() > end)
      throw new Error(`not within ${deadline_ms} ms: ${what}; last seen: ${typeof last === 'string' ? last : JSON.stringify(last)}`);
    await new Promise((resolve) => setTimeout(resolve, every_ms));
  }
}

// Ports that this process has chosen: a file each, so that a test beside it takes none of them while its server is down.
const chosen = path.join(root, 'build/test/ports');
const chosen_here = [];
process.on('exit', () => chosen_here.forEach((file) => fs.rmSync(file, { force: true })));
function choose(port) {
  const file = path.join(chosen, String(port));
  fs.mkdirSync(chosen, { recursive: true });
  try {
    // Of a process that was killed: nobody's.
    const owner = fs.existsSync(file) && fs.readFileSync(file, 'utf8');
    if (owner && !fs.existsSync(`/proc/${owner}`)) fs.rmSync(file, { force: true });
    fs.writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch (error) {
    if (error.code === 'EEXIST' || error.code === 'ENOENT') return false;
    throw error;
  }
  chosen_here.push(file);
  return true;
}

// Below the range the kernel takes ports of outgoing connections from (32768 and up): a server that starts again on its
// port would now and then find it in use by somebody's connection.
export async function free_ports(count) {
  const servers = [];
  while (servers.length < count) {
    const server = net.createServer();
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (!choose(port)) continue;
    if (await new Promise((resolve) => server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)))) servers.push(server);
  }
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export function port_taken(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

// Pids of processes whose command line or working directory lies in `directory`.
export function processes_in(directory) {
  const found = [];
  for (const name of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      if (/^State:\s+Z/m.test(fs.readFileSync(`/proc/${name}/status`, 'utf8'))) continue;
      const words = fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      const inside = words.some((word) => word.includes(directory)) || fs.readlinkSync(`/proc/${name}/cwd`).startsWith(directory);
      if (inside) found.push({ pid: Number(name), command: words.join(' ').trim() });
    } catch {
      // ended while we looked
    }
  }
  return found;
}

export function children_of(pid) {
  const found = [];
  for (const name of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const status = fs.readFileSync(`/proc/${name}/status`, 'utf8');
      if (Number(/^PPid:\s+(\d+)/m.exec(status)[1]) === pid && !/^State:\s+Z/m.test(status)) found.push(Number(name));
    } catch {
      // ended while we looked
    }
  }
  return found;
}

// A directory of its own for one test, under build/test; kept when KEEP is set.
export function make_directory(name) {
  const parent = path.join(root, 'build/test');
  fs.mkdirSync(parent, { recursive: true });
  const directory = fs.mkdtempSync(path.join(parent, `${name}-`));
  fs.chmodSync(directory, 0o755);  // Postgres runs as another user
  return directory;
}

export function remove_directory(directory) {
  if (!process.env.KEEP) fs.rmSync(directory, { recursive: true, force: true });
}
