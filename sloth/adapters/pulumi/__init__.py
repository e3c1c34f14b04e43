"""The Pulumi engine, driven through its automation API: the one place that imports `pulumi.automation`.

`tool` finds the pinned CLI, `plugins` the clouds' plugins, `command` runs the CLI so that Ctrl-C loses nothing, `stack` is one
stack of the engine with its operations, `events` and `faults` translate what it says, `program` turns a cloud plugin into a
program, `questions` asks a cloud without changing it, `machines` is the whole as `sloth.contracts.provider.Machines`.
"""
