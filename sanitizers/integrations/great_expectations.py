"""Great Expectations: one Expectation, *the column holds nothing barred*.

It carries paths, never identifiers, and answers with a count: what Great Expectations writes down (suite, results, Data
Docs, at any ``result_format``) holds nothing that could not be published. A column that cannot be compared (not there,
without rows, of a type that holds no identifiers, of a kind that the snapshot does not know) is an error and never
passes. Works on pandas frames.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the library is imported, and again when a context is made

import great_expectations as gx
import pandas as pd
import polars as pl
import pyarrow as pa
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnAggregateExpectation
from great_expectations.expectations.metrics.column_aggregate_metric_provider import (
    ColumnAggregateMetricProvider,
    column_aggregate_value,
)
from great_expectations.render.components import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer

from sanitizers import publish
from sanitizers.errors import ConfigurationError, Fault, NothingChecked
from sanitizers.identifiers import Key, as_text
from sanitizers.outputs.tokens import check_kind, tokens_of
from sanitizers.register import snapshot as snapshots
from sanitizers.register.snapshot import among

_CUT_OFF = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'self' data: 'unsafe-inline'\">"


def count_barred(
    column: pd.Series[Any], *, kind: str, snapshot: Path, key_file: Path | None, missing: Sequence[str] = ("",)
) -> int:
    """Count the cells of a column that hold a barred identifier.

    Parameters
    ----------
    column
        Identifiers in any spelling, or published tokens; nulls are no references.
    kind
        Their kind.
    snapshot, key_file
        Where the snapshot and the key lie. Published tokens need no key.
    missing
        Texts that mean "no reference".

    Raises
    ------
    NothingChecked
        There are no rows, or the snapshot bars nothing: a pass would say nothing.
    SealproofError
        Snapshot, key or column cannot be used.
    """
    name = str(column.name)
    loaded = snapshots.load(snapshot)
    if not loaded.size:
        raise NothingChecked(
            Fault("the snapshot bars nothing", "name the register's latest snapshot", where=str(snapshot))
        )
    key = Key.load(key_file) if key_file else None
    check_kind(kind, loaded, key)
    if not len(column):
        raise NothingChecked(Fault("there are no rows", "leave the table out, or mend the data", column=name))
    texts = _texts(column, name).drop_nulls()
    texts = texts.filter(~texts.is_in(list(missing)))
    hi, lo = tokens_of(texts, column=name, name=kind, kind=loaded.kinds[kind], key=key)
    barred = loaded.barred[kind]
    return int(among(hi, lo, barred.hi, barred.lo).sum())


def _texts(column: pd.Series[Any], name: str) -> pl.Series:
    try:
        return as_text(pa.array(column, from_pandas=True), name)
    except (pa.ArrowException, TypeError):
        pass
    raise ConfigurationError(Fault("holds values of several types", "make it one type", column=name))


class ColumnBarred(ColumnAggregateMetricProvider):
    """The metric behind the Expectation: cells that hold a barred identifier."""

    metric_name = "column.sealproof_barred"
    value_keys = ("kind", "snapshot", "key_file", "missing")

    @column_aggregate_value(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series[Any], **given: Any) -> int:  # noqa: N805 - a class method by decoration
        key_file = Path(given["key_file"]) if given["key_file"] else None
        return count_barred(
            column, kind=given["kind"], snapshot=Path(given["snapshot"]), key_file=key_file, missing=given["missing"]
        )


class ExpectColumnToHoldNothingBarred(ColumnAggregateExpectation):
    """Expect a column to hold no identifier that a snapshot bars.

    Parameters
    ----------
    column
        The column.
    kind
        What its identifiers are.
    snapshot, key_file
        Paths. Identifiers that were published as tokens need no key.
    missing
        Texts that mean "no reference".
    """

    kind: str
    snapshot: str
    key_file: str | None = None
    missing: tuple[str, ...] = ("",)

    metric_dependencies: ClassVar[tuple[str, ...]] = (ColumnBarred.metric_name,)
    success_keys: ClassVar[tuple[str, ...]] = ColumnBarred.value_keys
    args_keys: ClassVar[tuple[str, ...]] = ("column", *ColumnBarred.value_keys)

    def _validate(self, metrics: dict[str, Any], *_given: Any, **_named: Any) -> dict[str, Any]:
        if self.row_condition:
            raise ConfigurationError(Fault("`row_condition` would leave rows out", "delete it", column=self.column))
        count = metrics[ColumnBarred.metric_name]
        return {"success": count == 0, "result": {"observed_value": count}}

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls, configuration: Any = None, result: Any = None, runtime_configuration: Any = None
    ) -> list[RenderedStringTemplateContent]:
        """Say in Data Docs what was expected."""
        template = {"template": "holds no $kind that the snapshot $snapshot bars", "params": configuration.kwargs}
        return [RenderedStringTemplateContent(content_block_type="string_template", string_template=template)]


def validate(
    frame: pd.DataFrame,
    columns: Mapping[str, str],
    *,
    snapshot: Path,
    key_file: Path | None = None,
    docs: Path,
    missing: Sequence[str] = ("",),
) -> dict[str, Any]:
    """Run the Expectation over some columns of a frame in a checkpoint, and publish its Data Docs.

    Parameters
    ----------
    columns
        Column → kind of its identifiers.
    docs
        Folder of the Data Docs, published whole. The pages are kept from asking the network for styles and scripts.

    Returns
    -------
    dict
        ``success``, and ``columns``: how many cells hold a barred identifier, None where nothing could be compared.

    Raises
    ------
    ConfigurationError
        No column was named: a checkpoint without Expectations would pass.
    PublishFailure
        The Data Docs cannot be written.
    """
    if not columns:
        raise ConfigurationError(
            Fault("no column to validate was named", "name the identifier columns and their kinds")
        )
    with publish.publishing(docs, mark="index.html") as stage:
        context = _context(stage.new.absolute())
        suite = gx.ExpectationSuite(
            name="nothing_barred",
            expectations=[
                ExpectColumnToHoldNothingBarred(
                    column=column,
                    kind=kind,
                    snapshot=str(snapshot),
                    key_file=str(key_file) if key_file else None,
                    missing=tuple(missing),
                )
                for column, kind in columns.items()
            ],
        )
        asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
        batch = asset.add_batch_definition_whole_dataframe("whole")
        definition = gx.ValidationDefinition(name="nothing_barred", data=batch, suite=context.suites.add(suite))
        definition = context.validation_definitions.add(definition)
        checkpoint = context.checkpoints.add(gx.Checkpoint(name="nothing_barred", validation_definitions=[definition]))
        ran = checkpoint.run(batch_parameters={"dataframe": frame})
        context.build_data_docs()
        for page in stage.new.rglob("*.html"):
            page.write_text(
                page.read_text(encoding="utf-8").replace("<head>", f"<head>{_CUT_OFF}", 1), encoding="utf-8"
            )
    results = [result for run in ran.run_results.values() for result in run.results]
    counts = {result.expectation_config.kwargs["column"]: result.result.get("observed_value") for result in results}
    return {"success": bool(ran.success), "columns": {column: counts.get(column) for column in columns}}


def _context(site: Path) -> Any:
    """Make a context that lives in memory, keeps silent and writes its Data Docs to one folder."""
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    for name in context.get_site_names():
        context.delete_data_docs_site(name)
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site)}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    config: Any = {"class_name": "SiteBuilder", "store_backend": store, "site_index_builder": index}
    context.add_data_docs_site("docs", config)
    return context


__all__ = ["ExpectColumnToHoldNothingBarred", "count_barred", "validate"]
