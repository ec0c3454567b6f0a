// npm's openid-client as the sender of proofs (RFC 9449): it gets tokens bound to
// its key from a provider, and sends them to a service with a proof for each
// request, once more where the service asks for a nonce.
import * as client from 'openid-client';
import { configuration, obey, versionOf } from './control.mjs';

const { issuer } = await configuration();
const config = await client.discovery(new URL(issuer), 'service', undefined,
  client.ClientSecretBasic('a-secret-of-this-test'), { execute: [client.allowInsecureRequests] });
let DPoP;

await obey({ version: versionOf('openid-client') }, {
  // key makes the key of the proofs from now on.
  async key({ algorithm }) {
    DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair(algorithm));
  },
  async token({ audience }) {
    const answer = await client.clientCredentialsGrant(config, { scope: 'read', resource: audience }, { DPoP });
    return { token: answer.access_token };
  },
  async send({ method, url, token }) {
    const headers = new Headers();
    try {
      const answer = await client.fetchProtectedResource(config, token, new URL(url), method, null, headers, { DPoP });
      return { status: answer.status, subject: await answer.text() };
    } catch (error) {
      if (!(error instanceof client.WWWAuthenticateChallengeError)) throw error;
      return { status: error.status };
    }
  },
});
