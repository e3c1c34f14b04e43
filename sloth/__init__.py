"""sloth: one YAML file, one command, one highly available Kubernetes cluster, and the same tool to operate it.

The plugin folders (`providers`, `distributions`, `addons`, `templates`) lie next to this package in a checkout and inside it
in a wheel. The lines below make both look the same (`sloth.providers.local`), see docs/decisions/0001-packaging.md.
"""

from pathlib import Path

__version__ = "0.1.0"

_here = Path(__file__).resolve().parent
if not (_here / "providers").is_dir() and (_here.parent / "providers").is_dir():
    __path__.append(str(_here.parent))
