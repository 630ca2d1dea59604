"""What coverslip costs, beside what else could be done, side by side in one run.

Times of one machine mean little and those of a shared one less: read the ratios. Run all of it
with ``hatch run bench``, or one part with ``python -m benchmarks planes``.
"""
