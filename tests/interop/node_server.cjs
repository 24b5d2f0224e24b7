// node's http2 module as a server of the ring: the same tree and paths as asgi.py.
// Arguments: root, certificate, key, TLS port, cleartext port.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http2 = require('http2');
const path = require('path');
const zlib = require('zlib');

const [root, certificate, key, tlsPort, plainPort] = process.argv.slice(2);
const kinds = { '.html': 'text/html; charset=utf-8', '.txt': 'text/plain' };

function upload(request, response) {
  const hash = crypto.createHash('sha256');
  let size = 0;
  request.on('data', (block) => { hash.update(block); size += block.length; });
  request.on('end', () => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ size, sha256: hash.digest('hex') }));
  });
}

function mirror(request, response) {
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
  response.setHeader('content-type', 'application/json');
  response.setHeader('set-cookie', ['a=1; Path=/', 'b=2; Path=/']);
  response.setHeader('x-answer', 'forty, two');
  const [where, query] = request.url.split('?');
  response.end(JSON.stringify({ method: request.method, path: where, query: query || '', headers }));
}

function slow(request, response) {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '12' });
  response.write('first,');
  setTimeout(() => response.end('second'), 1500);
}

function wide(request, response) {
  for (let n = 0; n < 40; n += 1) response.setHeader(`x-${n}`, String(n).padStart(4, '0').repeat(250));
  response.end('wide');
}

function hints(request, response) {
  response.writeEarlyHints({ link: '</small.txt>; rel=preload' });
  response.end('hinted');
}

function trailers(request, response) {
  response.setHeader('trailer', 'x-sum');
  response.write('with trailers');
  response.addTrailers({ 'x-sum': '42' });
  response.end();
}

function file(request, response) {
  const name = request.url.split('?')[0].replace(/^\/+/, '') || 'index.html';
  const full = path.join(root, name);
  if (name.includes('/') || !fs.existsSync(full)) {
    response.writeHead(404, { 'content-type': 'text/plain' });
    response.end('not here\n');
    return;
  }
  if (name === 'page.html' && request.stream && request.stream.pushAllowed) {
    response.createPushResponse({ ':path': '/small.txt' }, (error, pushed) => {
      if (error) return;
      pushed.stream.on('error', () => {});
      pushed.end(fs.readFileSync(path.join(root, 'small.txt')));
    });
  }
  const size = fs.statSync(full).size;
  response.setHeader('content-type', kinds[path.extname(name)] || 'application/octet-stream');
  if (name === 'page.html' && /gzip/.test(request.headers['accept-encoding'] || '')) {
    response.setHeader('content-encoding', 'gzip');
    response.end(zlib.gzipSync(fs.readFileSync(full)));
    return;
  }
  response.setHeader('content-length', String(size));
  if (request.method === 'HEAD' || size === 0) {
    response.end();
    return;
  }
  fs.createReadStream(full, { highWaterMark: 256 * 1024 }).pipe(response);
}

const paths = { '/upload': upload, '/mirror': mirror, '/slow': slow, '/wide': wide, '/hints': hints, '/trailers': trailers };

function answer(request, response) {
  (paths[request.url.split('?')[0]] || file)(request, response);
}

const settings = { maxConcurrentStreams: 100 };
const secure = http2.createSecureServer(
  { cert: fs.readFileSync(certificate), key: fs.readFileSync(key), allowHTTP1: true, settings },
  answer,
);
const plain = http2.createServer({ settings }, answer);
const sessions = new Set();
for (const server of [secure, plain]) {
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', (error) => console.error('session:', error.message));
  });
  server.on('error', (error) => { console.error(error.message); process.exit(1); });
}
secure.listen(Number(tlsPort), '127.0.0.1');
plain.listen(Number(plainPort), '127.0.0.1');

process.on('SIGTERM', () => {
  secure.close();
  plain.close();
  for (const session of sessions) session.close();
});
