"""Where the sources lie that tests read: the repository, the package, the plug-in and the tests themselves."""

from pathlib import Path

import mmip_gpu

TESTS = Path(__file__).parents[1]
REPOSITORY = TESTS.parent
PACKAGE = REPOSITORY / "mmip_gpu"
INSTALLED = Path(mmip_gpu.__file__).parents[1]  # the folder of the package that is tested
