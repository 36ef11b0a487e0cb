"""Snakemake's linter, without its demand for a conda environment or a container in every rule.

One environment serves all rules, and it is made before Snakemake starts: ``make setup``, or
``conda env create -f environment.yml``. Every other lint counts. Arguments are those of ``snakemake --lint``.
"""

import sys

from snakemake.cli import main
from snakemake.linting.rules import RuleLinter

del RuleLinter.lint_missing_software_definition
main(["--lint", *sys.argv[1:]])
