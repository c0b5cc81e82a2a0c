// Calls one address as Shopify does, at a rate that does not wait for answers, and reports on stdout as JSON:
//   node bench/webhook_sender.mjs PORT PATH SECRET RATE CONNECTIONS SECONDS FIRST_ID
// Every 20th delivery is sent twice. A delivery's time runs from the moment it was due, so what waits for a connection counts.
import { createHmac } from 'node:crypto';
import net from 'node:net';

const [port, path, secret, rate, connections, seconds, first] = process.argv.slice(2).map((value, index) => (index === 1 || index === 2 ? value : Number(value)));
const line = (n) => ({ id: n, product_id: 632910392 + n, variant_id: 39072856 + n, sku: `IPOD-${n}`, title: 'IPod Nano - 8gb', quantity: 1, price: '199.00', total_discount: '0.00', gift_card: false, vendor: 'Apple', properties: [{ name: 'Custom Engraving', value: 'Happy Birthday' }], tax_lines: [{ title: 'State Tax', price: '3.98', rate: 0.06 }], discount_allocations: [] });
const order = (id) => JSON.stringify({ id, name: `#${id}`, email: 'bob@example.com', created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:01Z', currency: 'USD', financial_status: 'paid', total_price: '1990.00', subtotal_price: '1990.00', total_tax: '39.80', total_line_items_price: '1990.00', total_discounts: '0.00', test: false, customer: { id: 207119551 }, line_items: Array.from({ length: 10 }, (_, n) => line(n)), shipping_address: { address1: 'Chestnut Street 92', city: 'Louisville', zip: '40202', country: 'United States' } });

const total = rate * seconds;
const latencies = [];
const statuses = {};
const idle = [];
const due = [];
let sent = 0;
let answered = 0;
let finished;
const all = new Promise((resolve) => (finished = resolve));

function request(id, copy) {
  const body = order(id);
  const signature = createHmac('sha256', secret).update(body).digest('base64');
  return `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nX-Shopify-Topic: orders/create\r\nX-Shopify-Shop-Domain: bench.myshopify.com\r\nX-Shopify-Webhook-Id: ${id}-${copy}\r\nX-Shopify-Event-Id: ${id}\r\nX-Shopify-Triggered-At: 2026-01-01T00:00:02Z\r\nX-Shopify-Hmac-Sha256: ${signature}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
function give() {
  while (due.length && idle.length) idle.pop()(due.shift());
}
function connect() {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', resolve);
    socket.setNoDelay(true);
    let seen = '';
    let at = 0;
    const take = (what) => {
      at = what.at;
      socket.write(what.bytes);
    };
    socket.on('data', (data) => {
      seen += data.toString('latin1');
      const end = seen.indexOf('\r\n\r\n');
      if (end < 0 || seen.length < end + 4 + Number(/content-length: (\d+)/i.exec(seen)?.[1] ?? 0)) return;
      const status = seen.slice(9, 12);
      seen = '';
      statuses[status] = (statuses[status] ?? 0) + 1;
      latencies.push(performance.now() - at);
      if (++answered === total) finished();
      idle.push(take);
      give();
    });
    socket.on('error', reject);
    idle.push(take);
  });
}

await Promise.all(Array.from({ length: connections }, connect));
const begun = performance.now();
let ids = 0;
const timer = setInterval(() => {
  const wanted = Math.min(total, Math.floor(((performance.now() - begun) / 1000) * rate));
  for (; sent < wanted; ++sent) {
    const repeated = sent % 20 === 19;
    due.push({ at: begun + (sent / rate) * 1000, bytes: request(first + (repeated ? ids - 1 : ids++), repeated ? 2 : 1) });
  }
  give();
  if (sent === total) clearInterval(timer);
}, 1);
await all;
const elapsed = (performance.now() - begun) / 1000;
latencies.sort((a, b) => a - b);
const quantile = (q) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))];
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ sent: total, distinct: ids, statuses, seconds: elapsed, p50: quantile(0.5), p99: quantile(0.99), max: latencies.at(-1), cpu_s: (user + system) / 1e6, bytes: order(first).length }));
process.exit(0);
