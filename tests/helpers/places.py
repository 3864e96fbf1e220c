"""Where the sources lie that tests read: the repository, the package, the plug-in and the tests themselves."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
REPOSITORY = TESTS.parent
PACKAGE = REPOSITORY / "mmip_gpu"
