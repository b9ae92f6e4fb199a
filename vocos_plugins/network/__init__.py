"""The network as modules, with the state-dict keys of the published checkpoints."""
