"""Tests of distribution `kubeadm`: its scripts against given answers, its step lists against reviewed files."""
