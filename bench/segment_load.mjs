// Live load on segments, and the receiver of their webhooks, in one process so that one clock times both:
//   node bench/segment_load.mjs PORT WRITE_KEY HOOK_PORT
// Commands come as lines of JSON on stdin, results go as lines of JSON to stdout:
//   {"do":"load","rate":500,"seconds":30,"users":1000000,"ping_every":5,"first":1}   -> latencies of pings, accepted to webhook
//   {"do":"burst","count":100000,"at":<ms>,"first":1}                                -> sent, all with one timestamp
//   {"do":"count","subject":"burst","type":"segment.exited","want":100000,"seconds":30} -> when the last of them came
// A ping is a first event `ping` of a user that had none: the segment `pinged` is entered by it and by nothing else.
import http from 'node:http';
import readline from 'node:readline';

const [port, key, hook_port] = process.argv.slice(2);
const authorization = `Basic ${Buffer.from(`${key}:`).toString('base64')}`;
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
const came = new Map();   // subject + type -> Map(entity -> ms)
const duplicates = new Map();

http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const now = Date.now();
    const body = JSON.parse(Buffer.concat(parts));
    for (const one of body.type === 'batch' ? body.data : [body]) {
      const name = `${one.data.segment} ${one.type}`;
      if (!came.has(name)) came.set(name, new Map());
      const entity = one.data.ids.id;
      if (came.get(name).has(entity)) duplicates.set(name, (duplicates.get(name) ?? 0) + 1);
      else came.get(name).set(entity, now);
    }
    response.end();
  });
}).listen(Number(hook_port), '127.0.0.1', () => say({ listening: true }));

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function post(path, document) {
  const body = JSON.stringify(document);
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, method: 'POST', agent, headers: { authorization, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const names = ['visit', 'visit', 'visit', 'visit', 'click', 'click', 'cart', 'order', 'search', 'support'];

async function load({ rate, seconds, users, ping_every, first }) {
  const accepted = new Map();
  const begun = performance.now();
  const total = rate * seconds;
  const under_way = new Set();
  const statuses = {};
  let late = 0;
  for (let index = 0; index < total; ++index) {
    const due = begun + (index * 1000) / rate;
    if (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    else late = Math.max(late, performance.now() - due);
    const ping = index % ping_every === 0;
    const user = ping ? `u${first + index}` : `u${(index * 7919 + first) % users}`;
    const event = ping
      ? { userId: user, event: 'ping', messageId: `ping-${first + index}` }
      : { userId: user, event: names[index % names.length], messageId: `live-${first + index}`, properties: { amount: index % 200, plan: index % 2 ? 'pro' : 'free', page: `/p${index % 50}` } };
    const request = post('/v1/track', event).then((status) => {
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (ping && status === 200) accepted.set(user, Date.now());
      under_way.delete(request);
    });
    under_way.add(request);
  }
  await Promise.all(under_way);
  const deadline = Date.now() + 20_000;
  const seen = () => came.get('pinged segment.entered') ?? new Map();
  while ([...accepted.keys()].some((user) => !seen().has(user)) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
  const latencies = [...accepted].filter(([user]) => seen().has(user)).map(([user, at]) => Math.max(0, seen().get(user) - at)).sort((a, b) => a - b);
  return { pings: accepted.size, notified: latencies.length, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), max: latencies.at(-1), statuses, late_ms: late, events: total };
}

async function burst({ count, at, first }) {
  const begun = Date.now();
  const timestamp = new Date(at).toISOString();
  const batch = 100;
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const from = next;
      next += batch;
      const items = Array.from({ length: Math.min(batch, count - from) }, (_, index) => ({ type: 'track', event: 'burst', userId: `u${first + from + index}`, messageId: `burst-${first + from + index}`, timestamp }));
      const status = await post('/v1/batch', { batch: items });
      if (status !== 200) throw new Error(`a batch was answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return { seconds: (Date.now() - begun) / 1000 };
}

async function count({ subject, type, want, seconds }) {
  const deadline = Date.now() + seconds * 1000;
  const seen = () => came.get(`${subject} ${type}`) ?? new Map();
  while (seen().size < want && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  let last = 0;
  for (const at of seen().values()) last = Math.max(last, at);
  return { count: seen().size, last, duplicates: duplicates.get(`${subject} ${type}`) ?? 0 };
}

const commands = { load, burst, count };
readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const command = JSON.parse(line);
  try {
    say({ id: command.id, ...(await commands[command.do](command)) });
  } catch (error) {
    say({ id: command.id, error: error.message });
  }
}).on('close', () => process.exit(0));
