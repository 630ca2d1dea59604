"""Other ways to get a pipeline's planes before somebody's eyes, beside ours, on the same planes.

Each peer has a module ``with_<peer>`` that is both its ends and is run in an environment that holds
that peer: it may import numpy, `ends` and `planes`, and nothing else of this repository. What they
are asked, and answer, is in `ends`; who asks is `pair`.
"""
