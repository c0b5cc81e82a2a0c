// A receiver of webhooks: checks each signature with the official verifier, keeps each notification once, and knows who is in a
// segment by what it was told.
//   const receiver = await webhook_receiver(t, secret);
//   receiver.failing = () => Math.random() < 0.1;     // answers 503
import http from 'node:http';
import { Webhook } from 'standardwebhooks';

export async function webhook_receiver(t, secret) {
  const ids = new Set();
  const receiver = {
    taken: [],  // in the order of arrival
    failing: () => false,
    // `key`: the value of `ids` by which an entity is called here.
    told(segment, key) {
      const members = new Set();
      for (const { type, data } of receiver.taken) if (data.segment === segment) (type === 'segment.entered' ? members.add(data.ids[key]) : members.delete(data.ids[key]));
      return [...members].sort();
    },
  };
  const server = http.createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      const body = Buffer.concat(pieces).toString();
      if (receiver.failing(body)) return void response.writeHead(503).end();
      new Webhook(secret).verify(body, request.headers);
      const id = request.headers['webhook-id'];
      if (!ids.has(id)) receiver.taken.push({ ...JSON.parse(body), received_at: Date.now() });
      ids.add(id);
      response.writeHead(204).end();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  receiver.url = `http://127.0.0.1:${server.address().port}/hook`;
  return receiver;
}
