"""Sign-in at an OpenID Connect provider: Authlib's own server, run for the test on 127.0.0.1."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, jsonify, request
from gatehouse import open_gate, settings_of
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server
from werkzeug.test import Client, TestResponse

from dashboards.gate import Gate, Scope, create_app

pytestmark = pytest.mark.usefixtures("quick_passwords")

SECRET = "what the provider and the platform share"
CITY = Scope("city", "370400")


class Us(ClientMixin):  # type: ignore[misc]
    """This platform, as the provider knows it."""

    client_id = "eqm"

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == "http://127.0.0.1:8400/gate/provider/back"

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code(AuthorizationCodeMixin):  # type: ignore[misc]
    """A code that was given and not yet turned in."""

    code: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass
class Provider:
    """The provider: who is signed in there just now, and what is wrong with it."""

    issuer: str = ""
    person: dict[str, str] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    forged: RSAKey | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)


def application(provider: Provider) -> Flask:
    """Authlib's authorization server over it."""
    app = Flask("provider")
    us = Us()

    class Codes(AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

        def save_authorization_code(self, code: str, request: Any) -> None:
            sent = request.payload.data
            provider.codes[code] = Code(
                code,
                request.payload.redirect_uri,
                request.payload.scope,
                sent["nonce"],
                sent["code_challenge"],
                sent["code_challenge_method"],
            )

        def query_authorization_code(self, code: str, client: Us) -> Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, authorization_code: Code) -> None:
            provider.codes.pop(authorization_code.code)

        def authenticate_user(self, authorization_code: Code) -> dict[str, str]:
            return provider.person

    class Identity(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return any(code.nonce == nonce for code in provider.codes.values())

        def resolve_client_private_key(self, client: Us) -> RSAKey:
            return provider.forged or provider.key

        def get_client_algorithm(self, client: Us) -> str:
            return "RS256"

        def get_client_claims(self, client: Us) -> dict[str, Any]:
            return {"iss": provider.issuer}

        def get_encode_header(self, client: Us) -> dict[str, Any]:
            return {"alg": "RS256", "kid": "1"}

        def generate_user_info(self, user: dict[str, str], scope: str) -> UserInfo:
            return UserInfo(**{**user, **provider.claims})

    server = AuthorizationServer(
        app, query_client=lambda _id: us, save_token=lambda _token, _request: None
    )
    server.register_grant(Codes, [Identity(require_nonce=True), CodeChallenge(required=True)])

    @app.get("/authorize")
    def authorize() -> Any:
        # Whoever comes is signed in there and agrees.
        grant = server.get_consent_grant(end_user=provider.person)
        return server.create_authorization_response(grant=grant, grant_user=provider.person)

    @app.post("/token")
    def token() -> Any:
        return server.create_token_response()

    @app.get("/jwks")
    def jwks() -> Any:
        return jsonify({"keys": [provider.key.as_dict(private=False)]})

    @app.get("/.well-known/openid-configuration")
    def metadata() -> Any:
        here = request.host_url.rstrip("/")
        return jsonify(
            {
                "issuer": provider.issuer,
                "authorization_endpoint": f"{here}/authorize",
                "token_endpoint": f"{here}/token",
                "jwks_uri": f"{here}/jwks",
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    return app


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """The provider on a free port."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    made = Provider(person={"sub": "u-1", "preferred_username": "Zhang"})
    server = make_server("127.0.0.1", 0, application(made), threaded=True)
    made.issuer = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    thread.join()


@pytest.fixture
def gate(provider: Provider, tmp_path: Path) -> Gate:
    """A gate that knows the provider, with an account of it."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    open_gate(tmp_path)
    made = create_app(
        settings_of(
            tmp_path,
            oidc_issuer=provider.issuer,
            oidc_client_id="eqm",
            oidc_client_secret_file=secret,
        )
    )
    made.accounts.add("zhang", CITY, "a reason", "root", provider=True)
    return made


def leave(client: Client) -> str:
    """Set out for the provider; answers the address to which it sends the browser back."""
    answer = client.get("/gate/provider")
    assert answer.status_code == 303
    asked = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["nonce"] and asked["state"]
    back = requests.get(answer.headers["Location"], allow_redirects=False, timeout=10)
    assert back.status_code == 302, back.text
    there = urlsplit(back.headers["Location"])
    return f"{there.path}?{there.query}"


def come_back(client: Client, address: str) -> TestResponse:
    """Follow the provider's answer."""
    return client.get(address)


def why(gate: Gate) -> list[Any]:
    """Reasons of the refusals that were told of."""
    lines = gate.audit.lines()
    return [line.detail.get("why") for line in lines if line.event == "sign_in_refused"]


def test_one_signs_in_at_the_provider(gate: Gate) -> None:
    client = Client(gate)
    assert "/gate/provider" in client.get("/gate/sign-in").text
    answer = come_back(client, leave(client))
    assert answer.status_code == 303 and answer.headers["Location"] == "/"
    assert client.get("/").status_code == 200
    assert client.get("/gate/").status_code == 200
    (line,) = (one for one in gate.audit.lines() if one.event == "signed_in")
    assert line.actor == "zhang" and line.detail == {"way": "provider"}


def test_an_answer_is_for_one_browser_and_one_time(gate: Gate) -> None:
    client = Client(gate)
    address = leave(client)
    assert come_back(Client(gate), address).status_code == 401
    assert come_back(client, address).status_code == 303
    client.post("/gate/sign-out")
    assert come_back(client, address).status_code == 401
    assert come_back(client, "/gate/provider/back?error=access_denied&state=x").status_code == 401
    assert come_back(client, "/gate/provider/back").status_code == 401


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        ({"sub": "u-2", "preferred_username": "zhang"}, "another person of that name"),
        ({"sub": "u-1", "preferred_username": "nobody"}, "unknown"),
        ({"sub": "u-1", "preferred_username": "li"}, "not of the provider"),
        ({"sub": "u-1", "preferred_username": "wang"}, "disabled"),
        ({"sub": "u-1"}, None),
    ],
)
def test_who_has_no_account_is_not_let_in(
    gate: Gate, provider: Provider, person: dict[str, str], reason: str | None
) -> None:
    gate.accounts.add("li", CITY, "a reason", "root")
    gate.accounts.add("wang", CITY, "a reason", "root", provider=True)
    gate.accounts.disable("wang", "has left", "root")
    first = Client(gate)
    assert come_back(first, leave(first)).status_code == 303
    provider.person = person
    client = Client(gate)
    answer = come_back(client, leave(client))
    assert answer.status_code == 401 and "本市统一账户" in answer.text
    assert why(gate) == ([reason] if reason else [])
    assert client.get("/").status_code == 303


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "somebody else"},
        {"nonce": "another"},
        {"exp": 1},
    ],
)
def test_a_token_that_is_not_for_us_opens_nothing(
    gate: Gate, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    client = Client(gate)
    assert come_back(client, leave(client)).status_code == 401
    assert client.get("/").status_code == 303


def test_a_token_of_another_key_opens_nothing(gate: Gate, provider: Provider) -> None:
    provider.forged = RSAKey.generate_key(2048, {"kid": "1"})
    client = Client(gate)
    assert come_back(client, leave(client)).status_code == 401


def test_a_provider_that_is_away_is_said(tmp_path: Path) -> None:
    open_gate(tmp_path)
    gate = create_app(settings_of(tmp_path, oidc_issuer="http://127.0.0.1:9", oidc_client_id="eqm"))
    answer = Client(gate).get("/gate/provider")
    assert answer.status_code == 503 and "127.0.0.1:9" not in answer.text


def test_the_shared_secret_is_its_owners_alone(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o644)
    open_gate(tmp_path)
    more = {"oidc_issuer": "http://127.0.0.1:9", "oidc_client_secret_file": secret}
    with pytest.raises(PermissionError, match="chmod 600"):
        create_app(settings_of(tmp_path, **more))


def test_the_cookie_of_the_way_there_says_nothing_of_the_secret(gate: Gate) -> None:
    client = Client(gate)
    leave(client)
    kept = client.get_cookie("eqm-provider", path="/gate/provider")
    assert kept is not None and kept.http_only
    assert SECRET not in json.dumps(kept.value)
