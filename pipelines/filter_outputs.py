"""Stage: filter what the model says, so that nothing in it points back to a barred record."""

from pipelines.settings import Settings
from sanitizers.digest import write_chain
from sanitizers.outputs import filter_file


def main() -> None:
    """Filter every output that the policy declares."""
    settings = Settings.read()
    snapshot, key = settings.snapshot, settings.key
    settings.policy.check_usable(snapshot)
    folder = settings.build / "outputs"
    folder.mkdir(parents=True, exist_ok=True)
    inputs, outputs = {}, {}
    for name, output in settings.policy.outputs.items():
        given, out = settings.build / "scores" / f"{name}.parquet", folder / f"{name}.parquet"
        filter_file(given, out, output, snapshot=snapshot, key=key)
        inputs[given.name], outputs[out.name] = given, out
    write_chain(folder / "chain.json", made_by="filter", inputs=inputs, outputs=outputs)


if __name__ == "__main__":
    main()
