// npm's jwks-rsa as a client: it finds the key, and jose verifies with it.
import { importSPKI, jwtVerify } from 'jose';
import jwksClient from 'jwks-rsa';
import { configuration, obey, versionOf } from './control.mjs';

const config = await configuration();
const client = jwksClient({ jwksUri: config.jwks_uri, cache: true });

await obey({ version: versionOf('jwks-rsa') }, {
  async verify({ token }) {
    const find = async ({ kid, alg }) => importSPKI((await client.getSigningKey(kid)).getPublicKey(), alg);
    const { payload } = await jwtVerify(token, find, { issuer: config.issuer, audience: config.audience });
    return { subject: payload.sub };
  },
});
