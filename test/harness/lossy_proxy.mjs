// A TCP proxy that loses answers: what the client asked has been done, and instead of the answer its connection ends.
import net from 'node:net';

export class LossyProxy {
  static async start(port) {
    const proxy = new LossyProxy();
    proxy.links = new Set();
    proxy.lost = 0;
    proxy.server = net.createServer((client) => {
      const server = net.connect(port, '127.0.0.1');
      const link = { armed: false, end: () => (client.destroy(), server.destroy(), proxy.links.delete(link)) };
      proxy.links.add(link);
      for (const socket of [client, server]) {
        socket.setNoDelay(true);
        socket.on('error', link.end);
        socket.on('close', link.end);
      }
      client.pipe(server);
      server.on('data', (bytes) => {
        if (link.armed) {
          ++proxy.lost;
          return link.end();
        }
        if (!client.write(bytes)) server.pause();
      });
      client.on('drain', () => server.resume());
    });
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    proxy.port = proxy.server.address().port;
    return proxy;
  }
  // The next answer of each connection there is now, and those that come meanwhile not.
  lose() {
    for (const link of this.links) link.armed = true;
  }
  stop() {
    for (const link of [...this.links]) link.end();
    this.server.close();
  }
}
