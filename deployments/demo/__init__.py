"""The demo: real flights, three models, and half a year of nights."""

from deployments.demo.run import run_demo

__all__ = ["run_demo"]
