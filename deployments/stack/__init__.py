"""The local stack: a Prefect and an MLflow server on loopback, brought up, found again and taken down."""

from deployments.stack.control import Service, down, ensure_prefect, is_own, status, up

__all__ = ["Service", "down", "ensure_prefect", "is_own", "status", "up"]
