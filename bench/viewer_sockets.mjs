// Event streams of many viewers in one process: node viewer_sockets.mjs <port> <viewers> <choices>. Prints a line when all
// have seen a first round; reads {"commits": [[id, ms since 1970], ...]}, waits until all have seen the last of them, and
// prints how long each commit took to each viewer, sorted.
import net from 'node:net';
import readline from 'node:readline';

const [port, viewers, choices] = process.argv.slice(2).map(Number);
const now = () => performance.timeOrigin + performance.now();
let bytes = 0;
// Of tile 0: {"tile":0,...,"data":[["<rows>","<newest>"]]; a round counts when its refresh has come.
const newest_of = /"tile":0,.*?"data":\[\["?-?\d+"?, ?"?(-?\d+)"?\]\]/g;

class Viewer {
  seen = []; // [newest, when]
  pending = null;
  rest = '';
  constructor(choice) {
    // Values that are in no row: those viewers have no number of their own to wait for, so only the first choice counts.
    const query = choice === 0 ? '' : `?kind=${encodeURIComponent(`kind ${choice}`)}`;
    this.counts = choice === 0;
    this.socket = net.connect(port, '127.0.0.1', () => this.socket.write(`GET /api/dashboards/viewed/live${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`));
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text) => this.take(text));
    this.socket.on('error', (error) => { console.error(`viewer: ${error.message}`); process.exit(1); });
    this.socket.on('close', () => { if (!leaving) { console.error('viewer: the stream ended'); process.exit(1); } });
  }
  take(text) {
    bytes += text.length;
    this.rest += text;
    const end = this.rest.lastIndexOf('\n\n');
    if (end < 0) return;
    const whole = this.rest.slice(0, end);
    this.rest = this.rest.slice(end + 2);
    for (const event of whole.split('\n\n')) {
      if (event.startsWith('event: tile') || event.includes('\nevent: tile')) for (const [, newest] of event.matchAll(newest_of)) this.pending = Number(newest);
      if (event.startsWith('event: refresh') && this.pending !== null) {
        this.seen.push([this.pending, now()]);
        this.pending = null;
      }
    }
  }
}

let leaving = false;
const all = Array.from({ length: viewers }, (_, index) => new Viewer(index % choices));
const until = async (condition, deadline_ms) => {
  const deadline = now() + deadline_ms;
  while (!condition() && now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  return condition();
};
if (!(await until(() => all.every((viewer) => viewer.seen.length > 0), 60_000))) {
  console.error(`viewer: ${all.filter((viewer) => viewer.seen.length === 0).length} of ${viewers} saw nothing`);
  process.exit(1);
}
bytes = 0;
console.log(JSON.stringify({ ready: true }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { commits } = JSON.parse(line);
  const last = commits.at(-1)[0];
  const counted = all.filter((viewer) => viewer.counts);
  await until(() => counted.every((viewer) => (viewer.seen.at(-1)?.[0] ?? 0) >= last), 30_000);
  const latencies_ms = [];
  let missing = 0;
  for (const { seen } of counted) {
    let at = 0;
    for (const [id, committed] of commits) {
      while (at < seen.length && seen[at][0] < id) ++at;
      if (at === seen.length) ++missing;
      else latencies_ms.push(Math.max(0, seen[at][1] - committed));
    }
  }
  latencies_ms.sort((a, b) => a - b);
  console.log(JSON.stringify({ latencies_ms: latencies_ms.length > 20_000 ? latencies_ms.filter((_, index) => index % Math.ceil(latencies_ms.length / 20_000) === 0 || index >= latencies_ms.length - 1) : latencies_ms, missing, bytes }));
}
leaving = true;
for (const { socket } of all) socket.destroy();
