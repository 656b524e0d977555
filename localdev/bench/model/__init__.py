"""A hub's way to `ready` in virtual time: the real domain, adapters and SDKs; everything else is a model with a seed.

What is real: `shared/hubs`, `shared/steps`, the ARM adapters, the unmodified Azure SDKs, the handlers of the simulated
Azure with their durations. What is modelled: time, storage (fakes with memory that count), the host's queue polling,
the machine (recorded installer, tasks as long as recorded ones). Requests themselves take no time: only what the hub
needs (operations, installer, tasks, certificate, server, kernel) and what we wait do.
"""
