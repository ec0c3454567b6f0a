// npm's aws-jwt-verify as a client. It speaks https only: the test hands it the
// server's certificate in NODE_EXTRA_CA_CERTS.
import { JwtVerifier } from 'aws-jwt-verify';
import { configuration, obey, versionOf } from './control.mjs';

const config = await configuration();
const verifier = JwtVerifier.create({ issuer: config.issuer, audience: config.audience, jwksUri: config.jwks_uri });

await obey({ version: versionOf('aws-jwt-verify') }, {
  async verify({ token }) {
    return { subject: (await verifier.verify(token)).sub };
  },
});
