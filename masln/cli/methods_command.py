"""``masln methods``: every registered method, or the hyper-parameters of one."""

from __future__ import annotations

import click

from masln.cli.options import debug_option, json_option


@click.command()
@click.argument("name", required=False)
@json_option
@debug_option
def methods(name: str | None, as_json: bool, debug: bool) -> None:
    """List the methods; with NAME, its hyper-parameters and what is searched on validation classes.

    What stands under "with a budget" is searched too where --budget says how many configurations may be tried.

    Those marked under "sequences" take image regions and text tokens as they are, beside global features.
    """
    from masln.models import make_method, method_resolver
    from masln.reporting import print_table

    if name is None:
        rows = [
            {"method": key, "what it is": cls.summary, "sequences": cls.takes_sequences, "reference": cls.reference}
            for key, cls in sorted(method_resolver.lookup_dict.items())
        ]
        print_table(rows, as_json=as_json)
        return
    method = make_method(name)
    rows = [
        {
            "hyper-parameter": key,
            "default": repr(value),
            "searched": ", ".join(map(str, method.search_space.get(key, ()))),
            "with a budget": ", ".join(map(str, method.budget_space.get(key, ()))),
        }
        for key, value in method.get_params().items()
    ]
    print_table(rows, as_json=as_json)
