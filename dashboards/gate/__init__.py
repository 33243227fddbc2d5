"""The gate: serves a release over HTTP."""

from dashboards.gate.app import create_app

__all__ = ["create_app"]
