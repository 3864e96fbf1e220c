"""The workers of a Dask cluster: how they are found, and which version of the package they need.

Values: a client, an address or a number of local workers in; a client out. Implements no section of FORMAT.md.
Guarantees that workers without this version of the package are named before anything is written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from mmip_gpu.errors import InvalidArgument, MissingResource, StoreError
from mmip_gpu.version import __version__

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["ClientLike", "connected"]

ClientLike: TypeAlias = "Client | str | int"


@contextlib.contextmanager
def connected(client: ClientLike) -> Iterator[Client]:
    """Give a client of the cluster; what is started here ends here.

    Parameters
    ----------
    client : distributed.Client, str or int
        A client, which is left open; the address of a scheduler; or a number of worker processes to start on this
        machine, which share its cores.

    Raises
    ------
    InvalidArgument
        For anything else, or a client of coroutines.
    MissingResource
        Without the package distributed.
    StoreError
        Where no scheduler answers, or a worker has not this version of the package.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise MissingResource("client= needs the package distributed: pip install 'mmip-gpu[dask]'") from None
    if isinstance(client, Client):
        if client.asynchronous:
            raise InvalidArgument("client: expected one that blocks, found Client(asynchronous=True)")
        _check_workers(client)
        yield client
    elif isinstance(client, str):
        try:
            found = Client(client, set_as_default=False)
        except (OSError, ValueError) as error:
            raise StoreError(f"no Dask scheduler answers at {client}: {error}") from error
        with found:
            _check_workers(found)
            yield found
    elif isinstance(client, int) and not isinstance(client, bool) and client >= 1:
        with (
            LocalCluster(n_workers=client, dashboard_address=":0") as cluster,
            Client(cluster, set_as_default=False) as found,
        ):
            yield found
    else:
        raise InvalidArgument(f"client: expected a Client, an address or a number of workers, found {client!r}")


def _check_workers(client: Client) -> None:
    """Raise StoreError where a worker that is there has not this version of the package; later ones when tasks come."""

    def version() -> str:  # sent by value: a worker without the package could not find it by name
        from mmip_gpu.version import __version__

        return __version__

    found = client.run(version, on_error="return")
    wrong = {worker: answer for worker, answer in found.items() if answer != __version__}
    if wrong:
        named = "; ".join(
            f"worker {worker}: {answer if isinstance(answer, str) else f'{type(answer).__name__}: {answer}'}"
            for worker, answer in wrong.items()
        )
        raise StoreError(f"every worker needs mmip_gpu {__version__}, as the job has it; found {named}")
