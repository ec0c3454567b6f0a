// An OpenID provider: npm's oidc-provider. Its tokens are those that its token
// endpoint hands out for the client credentials grant (RFC 9068 access tokens);
// the last segment of the resource names the algorithm. A rotation is a second
// provider with a new key first and the old ones still published, put in the
// place of the first, as a deployment does it.
import { createServer } from 'node:http';
import { configuration, obey, versionOf } from './control.mjs';
import { newKeys } from './keys.mjs';

const config = await configuration();
const issuer = `http://127.0.0.1:${config.port}`;
const algorithms = config.algorithms;

console.info = console.warn = () => {}; // its notices for developers
const { Provider } = await import('oidc-provider');

let keys = config.state?.keys ?? await newKeys(algorithms);
let handle = provider(keys);

function provider(jwks) {
  return new Provider(issuer, {
    jwks: { keys: jwks },
    clients: [{
      client_id: 'service',
      client_secret: 'a-secret-of-this-test',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: 'read write',
          audience: resource,
          accessTokenTTL: 300,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: resource.split('/').pop() } },
        }),
      },
    },
  }).callback();
}

const server = createServer((request, response) => handle(request, response));
await new Promise((done) => server.listen(config.port, '127.0.0.1', done));

await obey({ issuer, version: versionOf('oidc-provider'), state: { keys } }, {
  async rotate() {
    const fresh = await newKeys(algorithms);
    handle = provider([...fresh, ...keys]);
    keys = [...fresh, ...keys];
    return { state: { keys } };
  },
  retire() {
    keys = keys.slice(0, algorithms.length);
    handle = provider(keys);
    return { state: { keys } };
  },
});
