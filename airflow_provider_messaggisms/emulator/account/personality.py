"""
What the vendor does not document, as switches: the emulator can behave either way, and a client must accept both.

The defaults follow the vendor's examples where there is one. Elsewhere the default is the harder case for a client.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints


@dataclass(frozen=True, slots=True)
class Personality:
    """
    One way in which an undocumented gateway may behave.

    :param empty_put: A PUT with an empty list of recipients is ``accepted`` (default) or ``refused`` (422/302).
    :param repeats: A number that the message already has is sent to ``twice`` (default) or ``merged``.
    :param list_order: ``GET /messages/`` shows the ``newest`` first (default) or the ``oldest``.
    :param put_status: A successful PUT returns ``200`` (default) or ``201``.
    :param custom_echo: ``options.custom`` that holds a JSON object comes back as an ``object`` (default) or as the
        ``string`` that was sent.
    :param envelope: When the token service shows one token, the envelope is ``absent`` (default) or ``present``.
    :param send_times: ``timestamp_send`` with a time of day (ISO 8601, in Rome unless it names a zone) is ``refused``
        (default; 422/302) or ``accepted``. The vendor documents days only.
    """

    empty_put: Literal["accepted", "refused"] = "accepted"
    repeats: Literal["twice", "merged"] = "twice"
    list_order: Literal["newest", "oldest"] = "newest"
    put_status: Literal["200", "201"] = "200"
    custom_echo: Literal["object", "string"] = "object"
    envelope: Literal["absent", "present"] = "absent"
    send_times: Literal["refused", "accepted"] = "refused"

    @classmethod
    def choices(cls) -> dict[str, tuple[str, ...]]:
        """Return each switch with its values, the default first."""
        hints = get_type_hints(cls)
        return {field.name: get_args(hints[field.name]) for field in fields(cls)}

    @classmethod
    def read(cls, values: dict[str, Any]) -> Personality:
        """
        Build a personality from names and values. A switch that is not named keeps its default.

        :raises ValueError: A switch is unknown, or does not have this value.
        """
        choices = cls.choices()
        for name, value in values.items():
            if name not in choices:
                raise ValueError(f"unknown switch {name!r}: use one of {', '.join(choices)}")
            if str(value) not in choices[name]:
                raise ValueError(f"{name} must be one of {', '.join(choices[name])}")
        return cls(**{name: str(value) for name, value in values.items()})  # type: ignore[arg-type]
