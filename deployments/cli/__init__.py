"""The command line: parse, hand over, show the outcome. Heavy imports wait for their command."""

from deployments.cli.program import main

__all__ = ["main"]
