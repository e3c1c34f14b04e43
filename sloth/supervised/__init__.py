"""Distributions whose one binary supervises all of Kubernetes on a node: K3s, and RKE2, which is built upon it.

What both have in common is here; a plugin says where its flavour differs (`Flavour`) and what it brings (`Release`). Facts come
from docs.k3s.io and docs.rke2.io (sources k3s-io/docs and rancher/rke2-docs); each module names the pages it relies on. Pure.
"""
