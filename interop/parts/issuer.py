"""An issuer made of a Python library, named by the first argument: it makes the
key set and signs. RSA and EC keys come from cryptography, which both use."""

import json
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from control import configuration, obey

config = configuration()
issuer = f"http://127.0.0.1:{config['port']}"
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}



class Key:
    """A key of the issuer. Reading a PEM costs a check of the key, so once is enough."""

    def __init__(self, alg, kid=None, pem=None):
        self.alg, self.kid = alg, kid or uuid.uuid4().hex
        if pem:
            self.private = serialization.load_pem_private_key(pem.encode(), None)
        elif alg in CURVES:
            self.private = ec.generate_private_key(CURVES[alg])
        else:
            self.private = rsa.generate_private_key(65537, 2048)
        self.pem = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.signer = library.signer(self)
        self.published = {**library.jwk(self), "kid": self.kid, "alg": alg, "use": "sig"}

    def state(self):
        return {"alg": self.alg, "kid": self.kid, "pem": self.pem}


class PyJWT:
    import jwt

    version = jwt.__version__

    def signer(self, key):
        return key.private

    def sign(self, key, claims):
        return self.jwt.encode(claims, key.signer, key.alg, {"kid": key.kid})

    def jwk(self, key):
        """RSA only: PyJWT 2.6 reads keys of elliptic curves but writes none."""
        return json.loads(self.jwt.algorithms.RSAAlgorithm.to_jwk(key.private.public_key()))


class Authlib:
    def __init__(self):
        import authlib
        from authlib.jose import JsonWebKey, jwt

        self.keys, self.jwt, self.version = JsonWebKey, jwt, authlib.__version__

    def signer(self, key):
        return self.keys.import_key(key.pem)

    def sign(self, key, claims):
        return self.jwt.encode({"alg": key.alg, "kid": key.kid}, claims, key.signer).decode()

    def jwk(self, key):
        public = key.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return self.keys.import_key(public).as_dict()


library = {"pyjwt": PyJWT, "authlib": Authlib}[sys.argv[1]]()
state = (config.get("state") or {}).get("keys")
keys = [Key(**key) for key in state] if state else [Key(alg) for alg in config["algorithms"]]


def documents():
    return {
        "/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{issuer}/jwks"},
        "/jwks": {"keys": [key.published for key in keys]},
    }


def saved():
    return {"state": {"keys": [key.state() for key in keys]}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        document = documents().get(self.path)
        body = json.dumps(document or {}).encode()
        self.send_response(200 if document else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def token(command):
    key = next(key for key in keys if key.alg == command["algorithm"])
    now = int(time.time())
    claims = {"iss": issuer, "sub": "service", "aud": command["audience"], "iat": now, "exp": now + 300}
    return {"token": library.sign(key, claims)}


def rotate(_):
    global keys
    keys = [Key(alg) for alg in config["algorithms"]] + keys
    return saved()


def retire(_):
    global keys
    keys = keys[: len(config["algorithms"])]
    return saved()


ThreadingHTTPServer.allow_reuse_address = True
ThreadingHTTPServer.daemon_threads = True
server = ThreadingHTTPServer(("127.0.0.1", config["port"]), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
ready = {"issuer": issuer, "version": library.version, **saved()}
obey(ready, {"token": token, "rotate": rotate, "retire": retire})
