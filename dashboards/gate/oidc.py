"""Sign-in at the city's own OpenID Connect provider, by Authlib: code flow, PKCE, nonce.

The provider says who somebody is; what they may see is an account's, made with
`eqm user add NAME --provider`. The claim that names the account is a setting, and the first sign-in
binds the account to the provider's lasting subject, so that a name given on opens nothing.
"""

import logging
import stat
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from flask import Flask, Response, session
from joserfc.errors import JoseError

from dashboards.gate.accounts import Refused
from pipelines.settings import Settings

SECONDS = 10
"""So long is the provider waited for."""

_FAULTS = (
    AuthlibBaseError, JoseError, requests.RequestException, RuntimeError, ValueError, KeyError,
    TypeError,
)  # fmt: skip
"""What Authlib raises where a provider is away, or what it says is not sound."""

log = logging.getLogger("eqm.gate")


class Provider:
    """The city's provider, as the settings name it.

    Raises:
        PermissionError: the file of the shared secret can be read by others.
    """

    def __init__(self, app: Flask, settings: Settings) -> None:
        issuer = settings.oidc_issuer.rstrip("/")
        self._issuer = issuer
        self._claim = settings.oidc_claim
        here = settings.public_url or f"http://127.0.0.1:{settings.port}"
        self._back = f"{here}/gate/provider/back"
        self._client = OAuth(app).register(
            "city",
            server_metadata_url=f"{issuer}/.well-known/openid-configuration",
            client_id=settings.oidc_client_id,
            client_secret=_secret(settings),
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "default_timeout": SECONDS,
            },
        )

    def leave(self) -> Response:
        """The way to the provider.

        Raises:
            Refused: it does not answer.
        """
        # What an earlier, unfinished try left.
        session.clear()
        try:
            away = self._client.authorize_redirect(self._back)
        except _FAULTS as error:
            log.warning("the provider: %s", type(error).__name__)
            raise Refused from error
        # Without the words that Flask puts in, which repeat the address.
        return Response("", 303, {"Location": away.headers["Location"]})

    def come_back(self) -> tuple[str, str]:
        """Name of the account and lasting subject of who came back from the provider.

        Raises:
            Refused: what came back is not what was asked for, or names nobody.
        """
        try:
            # Whatever issuer the provider's own papers name, only the one of the settings counts.
            whose = {"iss": {"essential": True, "values": [self._issuer, f"{self._issuer}/"]}}
            token: dict[str, Any] = self._client.authorize_access_token(claims_options=whose)
            claims = token["userinfo"]
            name, subject = claims.get(self._claim), claims["sub"]
        except _FAULTS as error:
            log.warning("the provider: %s", type(error).__name__)
            raise Refused from error
        finally:
            session.clear()
        if not isinstance(name, str) or not name or not subject:
            raise Refused
        return name, f"{self._issuer} {subject}"


def _secret(settings: Settings) -> str | None:
    path = settings.oidc_client_secret_file
    if path is None:
        return None
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise PermissionError(f"{path} can be read by others; chmod 600 {path}")
    return path.read_text(encoding="utf-8").strip()
