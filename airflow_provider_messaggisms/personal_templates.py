"""
How the fields with personal data are rendered, for operators and the notifier alike.

``recipients``, ``body``, ``custom`` and ``callback_url`` become :class:`~.personal.Personal` values. An error is kept
in that value and comes up in :func:`~.personal.personal_value`, where the field is needed: Airflow would log the
template with it. The fields of the recipients decide which placeholders survive in the body (see ``placeholders``).

A body that ends in one of ``template_ext`` names a file on the DAG's template search path. Only the body does: a list
of recipients or an address of a callback may end so, too, and is what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from jinja2 import TemplateAssertionError, TemplateError, TemplateSyntaxError

from airflow_provider_messaggisms.airflow_internals import RendersOwnFields
from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.phone import mask_numbers
from airflow_provider_messaggisms.gateway.recipient_text import parse_recipients, spliced
from airflow_provider_messaggisms.gateway.recipients import Recipient, field_names, is_table
from airflow_provider_messaggisms.personal import Personal, personal_value
from airflow_provider_messaggisms.placeholders import render_body, render_text

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from jinja2 import Environment

#: Only what could be a telephone number is masked in these.
_READABLE = ("custom", "callback_url")

#: Jinja quotes what it found in the place of a sign that it missed: most likely a word of the text.
_FOUND = r"(?<= got | tag )'[^']*'"


#: How the name of a file with a body ends. A subclass may add its own.
BODY_FILES = (".txt", ".j2")


class PersonalTemplates(RendersOwnFields):
    """For classes with ``recipients`` and ``body``: renders them as this module's docstring says."""

    template_ext: Sequence[str] = BODY_FILES

    # In this order: the fields of the recipients decide which placeholders survive in the body.
    own_fields: ClassVar[tuple[str, ...]] = ("recipients", "body", *_READABLE)

    recipients: Any
    body: Any

    def fields_come_later(self) -> bool:
        """Tell whether the recipients' fields are not known yet while the body is rendered. Default ``False``."""
        return False

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render as Airflow does, but take no text for a file's name; what is rendered already stays as it is."""
        if content is None or isinstance(content, Personal):
            return content
        if isinstance(content, str) and content.endswith(BODY_FILES) and id(content) not in (seen_oids or ()):
            return render_text(content, context, jinja_env or self.get_template_env())
        return super().render_template(content, context, jinja_env, seen_oids)

    @classmethod
    def check_body_file(cls, body: Any, make_env: Callable[[], Environment]) -> None:
        """
        Check that the file of a body is there, if the body names one and the name is no template.

        :param make_env: Makes Jinja's environment, which has the template search path.
        :raises ConfigurationError: It is missing.
        """
        if cls._is_file(body) and "{" not in body:
            _source(body, make_env())

    def resolve_template_files(self) -> None:
        """
        Check, when the DAG is parsed, that the file of the body is there. It is read when the task runs.

        :raises ConfigurationError: It is missing.
        """
        self.check_body_file(getattr(self, "body", None), self.get_template_env)
        own = {name: getattr(self, name, None) for name in self.own_fields}
        if set(self.template_ext) <= set(BODY_FILES):
            self.prepare_template()
        else:  # a subclass may have further fields that name files
            super().resolve_template_files()
        for name, value in own.items():
            setattr(self, name, value)

    def render_own_field(self, name: str, context: Context, jinja_env: Environment, seen_oids: set[int]) -> None:
        """Render a personal field in place; keep what goes wrong."""
        written = getattr(self, name)
        if written is not None and not isinstance(written, Personal):
            rendered = _kept_quiet(name, lambda: self._rendered(name, written, context, jinja_env, seen_oids))
            setattr(self, name, rendered)

    def _recipients(self, written: Any, context: Context, env: Environment, seen: set[int]) -> Any:
        """
        Render recipients to one value, whichever way it comes: from another task, as a text, or as a native object.

        A template inside a list may give several recipients; they are spliced into the list.
        """
        if isinstance(written, list | tuple | set) and id(written) not in seen:
            return spliced((self._part(part, context, env, seen), _is_template(part)) for part in written)
        return _parsed(self._part(written, context, env, seen))

    def _part(self, written: Any, context: Context, env: Environment, seen: set[int]) -> Any:
        """Render a part of the recipients; a number stays the text that it is."""
        if written is None or id(written) in seen:
            return written
        if isinstance(written, Mapping):
            return {key: self._part(part, context, env, seen) for key, part in written.items()}
        if isinstance(written, list | tuple | set):
            return [self._part(part, context, env, seen) for part in written]
        if self._is_file(written):
            return render_text(written, context, env)
        rendered = self.render_template(written, context, env, seen)
        if isinstance(written, str) and _has_number(rendered):
            rendered = render_text(written, context, env)
        return _whole(rendered)

    def _rendered(self, name: str, written: Any, context: Context, env: Environment, seen: set[int]) -> Any:
        if callable(written):
            value = _whole(written(context=context, jinja_env=env))
            return _parsed(value) if name == "recipients" else value
        if name == "recipients":
            return self._recipients(written, context, env, seen)
        if name == "body" and isinstance(written, str) and id(written) not in seen:
            return self._rendered_body(written, context, env)
        return self.render_template(written, context, env, seen)

    @classmethod
    def _is_file(cls, written: Any) -> TypeGuard[str]:
        return isinstance(written, str) and written.endswith(tuple(cls.template_ext))

    def _rendered_body(self, written: str, context: Context, env: Environment) -> Personal:
        fields = field_names(personal_value(self.recipients))
        if self._is_file(written):
            written = _source(render_text(written, context, env), env)
        found = render_body(written, fields, context, env, fields_come_later=self.fields_come_later())
        return Personal(found.text, is_text=True, names_of_airflow=found.names_of_airflow)


def _source(name: str, env: Environment) -> str:
    """
    Read a file from the template search path.

    :raises ConfigurationError: It cannot be read.
    """
    from jinja2 import TemplateNotFound

    try:
        if env.loader is None:  # a task without a DAG, a notifier of a deadline
            raise TemplateNotFound(name)
        return env.loader.get_source(env, name)[0].removeprefix("\ufeff")
    except (TemplateNotFound, OSError, UnicodeError) as error:
        why = "is not on the DAG's template search path" if isinstance(error, TemplateNotFound) else str(error)
        raise ConfigurationError(
            f"body: the file {mask_numbers(name)!r} {why}; a body that ends in {' or '.join(BODY_FILES)} names a file"
        ) from None


def _has_number(value: Any) -> bool:
    """Tell whether ``+39349...``, or several of these with commas between them, were read as Python's numbers."""
    return isinstance(value, int | float) or (isinstance(value, list | tuple) and any(map(_has_number, value)))


def _is_template(part: Any) -> bool:
    """Tell whether a part of a list is a template or another task's output, and not what the author wrote."""
    return isinstance(part, str) or hasattr(part, "resolve")


def _parsed(value: Any) -> Any:
    return parse_recipients(value) if isinstance(value, str) else value


def _whole(value: Any) -> Any:
    """Make a list of what gives its parts one by one, as the output of a mapped task does: it is read repeatedly."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | Recipient) and not is_table(value):
        return list(value)
    return value


def _kept_quiet(field: str, render: Callable[[], Any]) -> Personal:
    """Render; keep what goes wrong for ``personal_value``."""
    try:
        value = render()
        if isinstance(value, Personal):
            return value
        return Personal(value, readable=field in _READABLE, is_text=field == "body")
    except TemplateError as error:
        return Personal(None, _described(field, error))
    except Exception as error:  # noqa: BLE001 (a Variable that is missing, a macro that fails...)
        return Personal(None, error)


def _described(field: str, error: TemplateError) -> ConfigurationError:
    """Describe an error of a template without showing the template: the library's error has lines of it."""
    line = f" in line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
    why = error.message or type(error).__name__
    if not isinstance(error, TemplateAssertionError):  # which names a filter or a test
        why = re.sub(_FOUND, "'…'", why)
    return ConfigurationError(f"{field}: the template cannot be rendered{line}: {mask_numbers(why)}")
