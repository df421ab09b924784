"""The benchmark: each figure beside a reference that is measured in the same run. See README.md in this directory."""
