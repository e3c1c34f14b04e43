"""Tests of provider `local`, against a fake `docker` command."""
