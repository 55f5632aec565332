"""The documents tell the truth: what they name exists, and what exists where they promise a list is in the list."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands
from django.db import models

from donations import handlers
from members.fields import EncryptedField, LookupHashField

ROOT = Path(__file__).resolve().parents[1]


def _documents() -> Iterator[Path]:
    for folder, below, files in os.walk(ROOT):
        below[:] = [name for name in below if not name.startswith(".") and name != "var"]
        yield from (Path(folder) / name for name in files if name.endswith(".md"))


DOCUMENTS = sorted(_documents())
_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)|\bsrc=\"([^\"]+)\"")

# Codes of errors that Django REST framework raises itself; our own code only lets them pass.
_OF_THE_FRAMEWORK = {"method_not_allowed", "unsupported_media_type", "max_length", "required", "not_found"}
# What only tests and measurements read, beside the application's own settings.
_OF_TESTS = {
    "TEST_DATABASE_URL",
    "TEST_BROKER_URL",
    "BENCH_DATABASE_URL",
    "STRIPE_API_TEST_KEY",
    "HISTORIES",
    "EVENTS",
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code_in(text: str) -> Iterator[str]:
    """What stands in code blocks and code spans."""
    yield from _FENCE.findall(text)
    yield from _SPAN.findall(_FENCE.sub("", text))


def anchors_of(path: Path) -> set[str]:
    """The anchors that a reader of Markdown gets from headings."""
    headings = re.findall(r"^#+ +(.+)$", _FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def _models() -> list[type[models.Model]]:
    return [
        model
        for app in ("members", "donations", "reminders", "staff")
        for model in apps.get_app_config(app).get_models()
    ]


def _rows_about(model: str, register: str) -> Iterator[str]:
    """The rows of the table that belong to a model: its own, and those below that name none."""
    is_about = False
    for row in re.findall(r"^\|.*$", register, re.MULTILINE):
        first = row.split("|")[1].strip()
        is_about = f"`{model}`" in first if first else is_about
        if is_about:
            yield row


each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)


def test_there_are_documents():
    names = {name_of(path) for path in DOCUMENTS}
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} <= names
    assert {
        f"docs/{name}.md" for name in ("install", "payments", "api", "sandbox", "privacy", "operations")
    } <= names


@each_document
def test_links_lead_somewhere(document):
    text = _FENCE.sub("", document.read_text())
    for link in (first or second for first, second in _LINK.findall(text)):
        if re.match(r"[a-z]+:", link):
            continue
        address, _, anchor = link.partition("#")
        target = (document.parent / address).resolve() if address else document
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors_of(target), f"{link}: there is no such heading"


@each_document
def test_commands_exist(document):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = set(get_commands())
    for code in code_in(document.read_text()):
        for target in re.findall(r"\bmake ([a-z-]+)", code):
            assert target in targets, f"there is no `make {target}`"
        for command in re.findall(r"\bmanage\.py ([a-z_]+)", code):
            assert command in commands, f"there is no `manage.py {command}`"


@each_document
def test_settings_exist(document):
    """A name in capitals is a setting of .env.example, or stands in our code: a state, a constant."""
    settings = _settings()
    code = _everything_that_runs()
    for text in code_in(document.read_text()):
        for assigned in re.findall(r"^(?:export )?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE):
            assert assigned in settings | _OF_TESTS, f"{assigned} is not in .env.example"
        for name in re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", text):
            assert name in settings or re.search(rf"\b{name}\b", code), f"nothing is called {name}"


def test_every_setting_that_is_read_is_explained():
    read = set(re.findall(r"\benv\.\w+\(\s*[\"']([A-Z_]+)[\"']", (ROOT / "config/settings.py").read_text()))
    # `make demo` itself takes two more, which are its own.
    assert read <= _settings()
    assert _settings() - read <= {"PORT", "SANDBOX_PORT"}


@each_document
def test_documents_are_of_no_machine(document):
    text = document.read_text()
    assert not re.search(r"(?<![\w.])/(?:work|root|home|Users)/", text)
    assert not re.search(r"index-url|pypi\.org|/simple\b|127\.0\.0\.1:\d+/(?:pypi|simple)", text)


def test_the_webhook_endpoint_is_told_of_every_event_that_we_handle():
    text = (ROOT / "docs/install.md").read_text()
    listed = re.search(r"<!-- events -->\n```[a-z]*\n(.*?)```", text, re.DOTALL)
    assert listed, "docs/install.md has no list of events"
    assert sorted(listed[1].split()) == sorted(handlers.HANDLERS)


def test_each_event_that_we_handle_is_explained():
    text = (ROOT / "docs/payments.md").read_text()
    table = text.split("## Event → what the books do")[1].split("\n## ")[0]
    assert set(re.findall(r"`([a-z_]+\.[a-z_.]+)`", table)) == set(handlers.HANDLERS)


def test_each_error_code_is_explained_and_each_explained_code_exists():
    text = (ROOT / "docs/api.md").read_text().split("\n## Errors")[1]
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", text, re.MULTILINE)
    explained = {code for row in rows for code in _SPAN.findall(row)}
    raised = _codes()
    assert raised - explained == set(), "raised, and not explained in docs/api.md"
    anywhere = _OF_THE_FRAMEWORK | set(re.findall(r"\"([a-z_]+)\"", _code_of_refusals()))
    assert explained - anywhere == set(), "explained in docs/api.md, and never raised"


def test_each_command_of_ours_is_explained():
    text = (ROOT / "docs/operations.md").read_text()
    for path in ROOT.glob("*/management/commands/[a-z]*.py"):
        assert f"`{path.stem}`" in text, path.stem


def test_each_task_of_the_schedule_is_explained():
    text = (ROOT / "docs/operations.md").read_text()
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        assert f"| {name} | `{entry['task']}` |" in text, name


@pytest.mark.parametrize("model", _models(), ids=lambda model: model.__name__)
def test_each_model_is_in_the_register_of_personal_data(model):
    register = (ROOT / "docs/privacy.md").read_text().split("\n## What is never kept")[0]
    assert f"`{model.__name__}`" in register
    assert "ersonal data" in (model.__doc__ or ""), "the docstring says which personal data it holds"
    rows = "\n".join(_rows_about(model.__name__, register))
    for kind, word in ((EncryptedField, "| sealed |"), (LookupHashField, "| hash |")):
        if any(isinstance(field, kind) for field in model._meta.local_fields):
            assert word in rows, f"{model.__name__} keeps something that is {word.strip('| ')}"


def test_the_gift_in_the_readme_is_taken(house, api):
    """Five minutes with curl end in a page to pay on."""
    text = (ROOT / "README.md").read_text()
    example = re.search(r"contributions/ \\\n.*?-d '(\{.*?\})'", text, re.DOTALL)
    assert example, "README.md begins no gift"
    answer = api.post("/api/v1/contributions/", example[1], content_type="application/json")
    assert answer.status_code == 201, answer.content
    shown = re.search(r"```json\n(\{.*?\})\n```", text, re.DOTALL)
    assert shown
    assert json.loads(shown[1]).keys() == answer.json().keys()


def test_decisions_are_numbered_without_gaps_and_have_the_same_parts():
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        parts = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert parts == ["Status", "Context", "Decision", "Consequences"], name_of(path)


@pytest.mark.parametrize("picture", sorted((ROOT / "docs/pictures").iterdir()), ids=lambda path: path.name)
def test_pictures_are_small_and_shown(picture):
    assert picture.stat().st_size < 200_000
    assert any(picture.name in document.read_text() for document in DOCUMENTS)


def _settings() -> set[str]:
    return set(re.findall(r"^([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)) | {
        "PORT",
        "SANDBOX_PORT",
    }


def _everything_that_runs() -> str:
    folders = ("config", "donations", "members", "sandbox", "staff", "tests", "benchmarks")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
    return "\n".join(path.read_text() for path in [*files, ROOT / "Makefile"])


def _code_of_refusals() -> str:
    files = [
        *(ROOT / "donations").glob("*.py"),
        *(ROOT / "donations/reports").glob("*.py"),
        *(ROOT / "donations/account").glob("*.py"),
        *(ROOT / "reminders").glob("*.py"),
        *(ROOT / "config").glob("*.py"),
        ROOT / "members/validation.py",
    ]
    return "\n".join(path.read_text() for path in files).replace("from __future__ import annotations", "")


def _codes() -> set[str]:
    """The codes with which our code refuses a request, found where errors are declared and raised."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(_code_of_refusals())):
        found.update(_codes_at(node))
    return found - {"refused"}  # the name of no error, only of what all of them have in common


def _codes_at(node: ast.AST) -> Iterator[str]:
    wanted: list[ast.expr | None] = []
    if isinstance(node, ast.ClassDef):
        wanted = [
            line.value
            for line in node.body
            if isinstance(line, ast.Assign)
            and isinstance(line.targets[0], ast.Name)
            and line.targets[0].id in ("code", "default_code")
        ]
    elif isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        wanted = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        if name in ("ErrorDetail", "ValidationError") and len(node.args) > 1:
            wanted.append(node.args[1])
        elif name in ("_error", "body") and node.args:
            wanted.append(node.args[0])
    for value in wanted:
        if (
            isinstance(value, ast.Constant)
            and isinstance(value.value, str)
            and re.fullmatch("[a-z_]+", value.value)
        ):
            yield value.value
