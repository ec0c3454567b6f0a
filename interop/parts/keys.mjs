// Signing keys, one for each algorithm, made by package jose.
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';

// newKeys makes a private JWK for each algorithm. Those of RSA share one key: to
// make six of them would take longer than the tests.
export async function newKeys(algorithms) {
  const rsa = generateKeyPair('RS256', { extractable: true });
  return Promise.all(algorithms.map(async (alg) => {
    const { privateKey } = await (/^[RP]S/.test(alg) ? rsa : generateKeyPair(alg, { extractable: true }));
    const { ext, key_ops, ...jwk } = await exportJWK(privateKey);
    return { ...jwk, alg, use: 'sig', kid: randomUUID() };
  }));
}

// publicOf leaves out what only the issuer may know.
export function publicOf({ d, p, q, dp, dq, qi, ...jwk }) {
  return jwk;
}
