// A reverse proxy on loopback that adds an Authorization header to what passes through it, for
// clients that cannot send one. It prints its URL. Usage: node with-key.mjs URL KEY
import http from 'node:http';

const [target, key] = process.argv.slice(2);

const server = http.createServer((req, res) => {
  const headers = { ...req.headers, authorization: `Bearer ${key}` };
  const out = http.request(target + req.url, { method: req.method, headers, setHost: false }, (answer) => {
    res.writeHead(answer.statusCode, answer.headers);
    res.flushHeaders();
    answer.pipe(res);
  });
  out.on('error', (err) => {
    if (res.headersSent) return res.destroy(err);
    res.writeHead(502).end(String(err));
  });
  // A client that leaves has to leave the host too.
  res.on('close', () => out.destroy());
  req.pipe(out);
});

server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
