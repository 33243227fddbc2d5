"""The published figures, each defined once (`metrics.yml`), and the answers they give.

A figure is worked out in its dbt model and nowhere else; here is what it is called, how it reads,
and which column holds it. From this come dbt's descriptions, the page of the metrics, what pages
say of methods and `eqm metric`.
"""

from pipelines.metrics.ask import Answer, BadQuestion, ask
from pipelines.metrics.catalogue import Metric, MetricError, Model, load_metrics, load_models

__all__ = [
    "Answer",
    "BadQuestion",
    "Metric",
    "MetricError",
    "Model",
    "ask",
    "load_metrics",
    "load_models",
]
