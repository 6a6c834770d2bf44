"""The cases that are written by hand."""

import table_files as files
import table_keys as identities
import table_places as services
import table_sources as sources
from case import Case

TABLES = (
    files.spellings,
    files.encodings,
    files.places,
    files.choices,
    identities.environment,
    identities.roles,
    identities.web,
    sources.processes,
    sources.signs_in,
    sources.containers,
    sources.machines,
    services.regions,
    services.endpoints,
)


def cases():
    return [
        Case(f"{table.__name__}: {row.pop('name')}", **row) for table in TABLES for row in table()
    ]
