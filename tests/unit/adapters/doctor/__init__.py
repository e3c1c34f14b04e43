"""Tests of the checks and fixes of `sloth doctor`."""
