"""`python -m herdbook` is `herd`."""

import sys

from herdbook.cli.main import main

sys.exit(main())
