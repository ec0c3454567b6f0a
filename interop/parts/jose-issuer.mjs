// An issuer made of npm's jose: it makes the keys, writes the key set and signs.
import { createServer } from 'node:http';
import { importJWK, SignJWT } from 'jose';
import { configuration, obey, versionOf } from './control.mjs';
import { newKeys, publicOf } from './keys.mjs';

const config = await configuration();
const issuer = `http://127.0.0.1:${config.port}`;
let keys = config.state?.keys ?? await newKeys(config.algorithms);

const server = createServer((request, response) => {
  const documents = {
    '/.well-known/openid-configuration': { issuer, jwks_uri: `${issuer}/jwks` },
    '/jwks': { keys: keys.map(publicOf) },
  };
  const document = documents[request.url];
  response.writeHead(document ? 200 : 404, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(document ?? {}));
});
await new Promise((done) => server.listen(config.port, '127.0.0.1', done));

await obey({ issuer, version: versionOf('jose'), state: { keys } }, {
  async token({ audience, algorithm }) {
    const jwk = keys.find((key) => key.alg === algorithm);
    const header = { alg: algorithm, kid: jwk.kid, typ: 'JWT' };
    const jwt = new SignJWT().setProtectedHeader(header).setIssuer(issuer).setSubject('service');
    return { token: await jwt.setAudience(audience).setIssuedAt().setExpirationTime('5m').sign(await importJWK(jwk, algorithm)) };
  },
  async rotate() {
    keys = [...await newKeys(config.algorithms), ...keys];
    return { state: { keys } };
  },
  retire() {
    keys = keys.slice(0, config.algorithms.length);
    return { state: { keys } };
  },
});
