"""Bad inputs: the config."""

from bad_input import BadInput, edit_config

ROWS = [
    BadInput(
        "key at the top",
        "config: an unknown key at the top",
        edit_config("device: cpu", "devices: cpu"),
        "unknown key 'devices'; did you mean 'device'? known: baseline, comparison, datasets, device, "
        "evaluations, fingerprints, gate, golden, imports, latency, models, recipes, report, samples, "
        "variants, verify",
    ),
]
