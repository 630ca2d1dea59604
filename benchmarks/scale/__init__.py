"""What many producer machines can show in one viewer: measured costs, a model, and its page.

`costs` measures what each thread pays for a plane, and how many planes really arrive from some
producers on this machine; `model` plays the queues; `page` puts both into ``docs/scale.md``.
"""
