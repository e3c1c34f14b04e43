"""Tests on real containers, without Kubernetes."""
