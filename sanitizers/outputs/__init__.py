"""The output filter: nothing that leaves the model names a barred record or answers for one."""

from sanitizers.outputs.files import filter_file
from sanitizers.outputs.filter import FilterCounts, OutputFilter, filter_output
from sanitizers.outputs.serving import ServedFilter

__all__ = ["FilterCounts", "OutputFilter", "ServedFilter", "filter_file", "filter_output"]
