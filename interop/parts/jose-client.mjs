// npm's jose as a client. The cooldown is off: a test rotates faster than an
// issuer does.
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { configuration, obey, versionOf } from './control.mjs';

const config = await configuration();
const keys = createRemoteJWKSet(new URL(config.jwks_uri), { cooldownDuration: 0 });

await obey({ version: versionOf('jose') }, {
  async verify({ token }) {
    const { payload } = await jwtVerify(token, keys, { issuer: config.issuer, audience: config.audience });
    return { subject: payload.sub };
  },
});
