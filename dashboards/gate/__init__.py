"""The gate: lets people in, shows each what is theirs, and writes down whom it refused."""

from dashboards.gate.accounts import (
    AccountError,
    Accounts,
    Listed,
    Locked,
    Refused,
    Scope,
    open_accounts,
)
from dashboards.gate.app import Gate, create_app
from dashboards.gate.audit import AuditLog, Line, Verdict
from dashboards.gate.demonstration import SignIn, demonstrate
from dashboards.gate.passwords import Busy
from dashboards.gate.server import embedded

__all__ = [
    "AccountError",
    "Accounts",
    "AuditLog",
    "Busy",
    "Gate",
    "Line",
    "Listed",
    "Locked",
    "Refused",
    "Scope",
    "SignIn",
    "Verdict",
    "create_app",
    "demonstrate",
    "embedded",
    "open_accounts",
]
