// npm's aws-jwt-verify as a verifier of load balancer tokens. It speaks https
// only: the test hands it the server's certificate in NODE_EXTRA_CA_CERTS.
import { AlbJwtVerifier } from 'aws-jwt-verify';
import { configuration, obey, versionOf } from './control.mjs';

const config = await configuration();
const verifier = AlbJwtVerifier.create({
  albArn: config.arn, issuer: config.issuer, clientId: config.client, jwksUri: config.keys,
});

await obey({ version: versionOf('aws-jwt-verify') }, {
  async verify({ token }) {
    return { subject: (await verifier.verify(token)).sub };
  },
});
