"""Whether a program's own sentences can be used."""

from __future__ import annotations

from collections.abc import Iterator

from tierline.rules.lint.finding import Finding
from tierline.rules.program import Rules
from tierline.rules.sentence_template import SENTENCES, TemplateInvalid, check, is_language

LANGUAGES_MAX = 50


def sentences(rules: Rules) -> Iterator[Finding]:
    if len(rules.sentences) > LANGUAGES_MAX:
        yield Finding("sentences", f"has more than {LANGUAGES_MAX} languages")
    for language, templates in rules.sentences.items():
        if not is_language(language):
            reason = f"{language!r} is no language: expected a tag like de or pt-BR"
            yield Finding("sentences", reason)
            continue
        for name, template in templates.items():
            path = f"sentences.{language}.{name}"
            if name not in SENTENCES:
                names = ", ".join(SENTENCES)
                yield Finding(path, f"is no sentence; known are {names}")
                continue
            try:
                check(name, template)
            except TemplateInvalid as error:
                yield Finding(path, str(error))
