"""The reference models: what a department would train on clean data, kept small enough to read.

`linkage` scores pairs of complaints in the manner of Patternizr, `recidivism` is a plain classifier for a binary label.
Neither knows how its input was cleaned, nor which pipeline calls it: a model that needed to know what was sealed could
not be retrained by somebody who must not.
"""
