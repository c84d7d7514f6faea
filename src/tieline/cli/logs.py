"""Log lines go to standard error, so that standard output holds what was asked for and nothing else."""

import logging
import sys

import structlog


def log_to_stderr(level: str) -> None:
    """`level`: debug, info, warning or error."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
