"""Checks of what nodes take from this machine's kernel. Containers share it; elsewhere Docker's own machine has one."""

from __future__ import annotations

from sloth.adapters.doctor.finding import Context, Finding


def tun(context: Context) -> Finding:
    """wireguard-go makes its interface from this device."""
    ok = not context.linux or context.path("dev/net/tun").exists()
    return Finding(
        id="tun", title="/dev/net/tun exists", ok=ok, detail=_where(context, "there" if ok else "missing"),
        fix="load the kernel module tun", hint="modprobe tun", commands=(("modprobe", "tun"),),
    )  # fmt: skip


def wireguard(context: Context) -> Finding:
    """In the kernel it is faster; nodes have wireguard-go where it is not."""
    inside = context.linux and (context.path("sys/module/wireguard").is_dir() or context.ask("modinfo", "wireguard")[0] == 0)
    ok = not context.linux or inside or context.path("dev/net/tun").exists()
    how = "kernel module" if inside else "wireguard-go, over /dev/net/tun" if ok else "neither kernel module nor tun device"
    return Finding(
        id="wireguard", title="WireGuard can run", ok=ok, detail=_where(context, how), fix="load the kernel module tun",
        hint="modprobe wireguard, or modprobe tun", commands=(("modprobe", "tun"),),
    )  # fmt: skip


def forwarding(context: Context) -> Finding:
    """Nodes reach each other and the outside through this machine."""
    value = context.read("proc/sys/net/ipv4/ip_forward").strip()
    return Finding(
        id="ip-forward", title="IPv4 forwarding is on", ok=not context.linux or value == "1",
        detail=_where(context, f"net.ipv4.ip_forward = {value or 'unknown'}"), fix="switch IPv4 forwarding on",
        hint="sysctl -w net.ipv4.ip_forward=1", commands=(("sysctl", "-w", "net.ipv4.ip_forward=1"),),
    )  # fmt: skip


def overlay(context: Context) -> Finding:
    """Docker and containerd both lay file systems over each other."""
    words = context.read("proc/filesystems").split()
    ok = not context.linux or "overlay" in words
    return Finding(
        id="overlay", title="overlay file system is there", ok=ok,
        detail=_where(context, "there" if ok else "not in /proc/filesystems"), fix="load the kernel module overlay",
        hint="modprobe overlay", commands=(("modprobe", "overlay"),),
    )  # fmt: skip


def _where(context: Context, text: str) -> str:
    return text if context.linux else "up to the machine that Docker runs here"
