"""The report: one static page for people who decide, made from a receipt, a verdict and the chain between them."""

from sanitizers.report.page import build_report

__all__ = ["build_report"]
