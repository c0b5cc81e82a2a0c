// Sends events to one address as fast as they are acknowledged, over keep-alive connections, and reports on stdout as JSON:
//   node bench/event_sender.mjs PORT WRITE_KEY BATCH CONNECTIONS SECONDS FIRST_ID
// A process of its own, so that what sending costs is not taken for what taking costs. Bodies are made once; only the ids in
// them change, so that nearly all of its time is the kernel's.
import net from 'node:net';

const [port, key, batch, connections, seconds, first] = process.argv.slice(2).map((value, index) => (index === 1 ? value : Number(value)));
const id_digits = 14;
const users = 1_000_000;

function make_body() {
  const items = Array.from({ length: batch }, (_, index) => ({
    type: 'track', event: ['Product Viewed', 'Product Added', 'Order Completed', 'Signed In'][index % 4], messageId: `m${'0'.repeat(id_digits)}`,
    userId: `user-${String((index * 7919) % users).padStart(7, '0')}`, anonymousId: '5d0a9c1e-3b1f-4c57-9c1a-0d7a3c1c9f11', timestamp: '2026-01-01T00:00:00.000Z',
    properties: { product_id: `p-${index}`, price: 19.99, currency: 'EUR', quantity: 1 + (index % 3), category: 'shoes', path: '/catalogue/shoes/42' },
    context: { library: { name: '@segment/analytics-node', version: '3.1.0' }, ip: '203.0.113.7', locale: 'de-DE', userAgent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36' }, integrations: {},
  }));
  const text = batch === 1 ? JSON.stringify(items[0]) : JSON.stringify({ batch: items, sentAt: '2026-01-01T00:00:01.000Z' });
  const head = `POST ${batch === 1 ? '/v1/track' : '/v1/batch'} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Basic ${Buffer.from(`${key}:`).toString('base64')}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n`;
  const bytes = Buffer.from(head + text);
  const places = [];
  for (let at = bytes.indexOf('"m000'); at >= 0; at = bytes.indexOf('"m000', at + 1)) places.push(at + 2);
  if (places.length !== batch) throw new Error(`${places.length} ids in a batch of ${batch}`);
  return { bytes, places };
}

let next = first;
let acknowledged = 0;
const latencies = [];
const statuses = {};
const begun = performance.now();
const last = begun + seconds * 1000;

function connection() {
  return new Promise((resolve, reject) => {
    const { bytes, places } = make_body();
    const socket = net.connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    let sent_at = 0;
    let seen = '';
    const send = () => {
      for (const place of places) bytes.write(String(next++).padStart(id_digits, '0'), place, 'latin1');
      sent_at = performance.now();
      socket.write(bytes);
    };
    socket.on('connect', send);
    socket.on('data', (data) => {
      seen += data.toString('latin1');
      const end = seen.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(seen)?.[1] ?? 0);
      if (seen.length < end + 4 + length) return;
      const status = seen.slice(9, 12);
      seen = seen.slice(end + 4 + length);
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (status === '200') {
        acknowledged += batch;
        latencies.push(performance.now() - sent_at);
      }
      if (performance.now() < last) return status === '200' ? send() : setTimeout(send, 20);
      socket.end();
      resolve();
    });
    socket.on('error', reject);
  });
}

await Promise.all(Array.from({ length: connections }, connection));
const elapsed = (performance.now() - begun) / 1000;
latencies.sort((a, b) => a - b);
const quantile = (q) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))];
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ acknowledged, sent: next - first, seconds: elapsed, p50: quantile(0.5), p99: quantile(0.99), statuses, cpu_s: (user + system) / 1e6, bytes: make_body().bytes.length }));
