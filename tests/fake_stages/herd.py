"""`python -m fake_stages.herd ...`: the command line with the fake stages registered beside the real ones."""

import sys

from herdbook.cli.main import main
from herdbook.recipe import STAGES

FAKES = {
    "source": "fake_stages.source",
    "trainer": "fake_stages.trainer",
    "judge": "fake_stages.judge",
}

if __name__ == "__main__":
    STAGES.update(FAKES)
    sys.exit(main())
