"""The campaign of broken files, killed processes and full disks; `python -m benchmarks.faults`."""
