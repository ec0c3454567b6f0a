"""A Python library as a client, named by the first argument."""

import json
import sys
import urllib.request

from control import configuration, obey

config = configuration()
ISSUER, AUDIENCE = config["issuer"], config["audience"]


def pyjwt():
    import jwt

    client = jwt.PyJWKClient(config["jwks_uri"])
    algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]

    def verify(command):
        key = client.get_signing_key_from_jwt(command["token"])
        claims = jwt.decode(command["token"], key.key, algorithms, issuer=ISSUER, audience=AUDIENCE)
        return {"subject": claims["sub"]}

    return jwt.__version__, verify


def authlib():
    import authlib
    from authlib.jose import JsonWebKey, JsonWebToken

    algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
    decoder, known = JsonWebToken(algorithms), {}
    options = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": AUDIENCE}}

    def find(header, _):
        """Authlib has no client for key sets: this is how its users write one."""
        if header["kid"] not in known:
            with urllib.request.urlopen(config["jwks_uri"], timeout=5) as answer:
                known.clear()
                known.update({key["kid"]: key for key in json.load(answer)["keys"]})
        return JsonWebKey.import_key(known[header["kid"]])

    def verify(command):
        claims = decoder.decode(command["token"], find, claims_options=options)
        claims.validate(leeway=0)
        return {"subject": claims["sub"]}

    return authlib.__version__, verify


version, verify = {"pyjwt": pyjwt, "authlib": authlib}[sys.argv[1]]()
obey({"version": version}, {"verify": verify})
