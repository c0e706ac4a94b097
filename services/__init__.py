"""The deployments. Folders here are named like the services (`summarizer-hub`), and a hyphen cannot stand in a Python import:
`services.summarizer_hub` is found in `services/summarizer-hub`.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType


class _HyphenatedFolders(MetaPathFinder):
    """Finds a package of `services` in the folder that has hyphens where the import has underscores.

    It stands behind Python's own finders: a folder that really has the imported name goes first.
    """

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        parent, _, name = fullname.rpartition(".")
        if parent != __name__:
            return None
        for place in path or ():
            folder = Path(place, name.replace("_", "-"))
            if folder.is_dir():
                return _spec(fullname, folder)
        return None


def _spec(fullname: str, folder: Path) -> ModuleSpec | None:
    init = folder / "__init__.py"
    if init.is_file():
        return spec_from_file_location(fullname, init, submodule_search_locations=[str(folder)])
    spec = ModuleSpec(fullname, None, is_package=True)  # no code of its own, like any folder without __init__.py
    spec.submodule_search_locations = [str(folder)]
    return spec


sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__qualname__ != _HyphenatedFolders.__qualname__]
sys.meta_path.append(_HyphenatedFolders())
