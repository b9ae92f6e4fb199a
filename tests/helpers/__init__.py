"""Functions that tests share, with types. What needs a fixture stands in a conftest.py."""
