"""What is refused, with which error, and that nothing is lost by it."""

# ruff: noqa: D102 - the name of a test says what it is about

from __future__ import annotations

import math
from typing import Any

from pika_redis import (
    ArgumentError,
    ArgumentTypeError,
    ConfigurationError,
    FullCacheService,
    SerializationError,
)

from ..assertions import all_refuse, refuses
from .hooks import Hooks

__all__ = ["BadInput"]


class BadInput(Hooks):
    """Errors are of the one tree, have the builtin base that Python users expect, and say what was meant."""

    async def test_a_ttl_is_above_zero(self, service: FullCacheService) -> None:
        await service.set("k", "kept")
        for ttl in (0, -1, -math.inf, math.nan, 0.0001, "0s", 1e12):
            await all_refuse(
                ValueError,
                "ttl",
                service.set("k", 1, ttl),
                service.set("k", 1, ttl, tags=["t"]),
                service.add("new", 1, ttl),
                service.set_many({"k": 1}, ttl),
                service.touch("k", ttl),
                service.get_or_load("new", lambda: 1, ttl),
                service.increment("new", ttl=ttl),
            )
        wrong: Any
        for wrong in (True, [10], b"10"):
            with refuses(TypeError, "ttl"):
                await service.set("k", 1, ttl=wrong)
        with refuses(ValueError, "ttl", "10x"):
            await service.set("k", 1, ttl="10x")
        assert await service.get("k") == "kept"
        assert await service.exists("new") is False

    async def test_a_key_is_a_text_that_is_not_empty_and_not_ours(self, service: FullCacheService) -> None:
        bad: Any
        for bad, error in (
            *[(key, ArgumentError) for key in ("", "#", "#e", "#t:tag", "\ud800")],
            *[(key, ArgumentTypeError) for key in (b"k", 1, None, ("k",), object())],
        ):
            await all_refuse(
                error,
                "key",
                service.get(bad),
                service.get(bad, 1),
                service.get_many(["k", bad]),
                service.set(bad, 1),
                service.set_many([{"key": bad, "value": 1}]),
                service.add(bad, 1),
                service.delete(bad),
                service.delete_many([bad]),
                service.exists(bad),
                service.get_with_ttl(bad),
                service.remaining_ttl(bad),
                service.touch(bad, 60),
                service.mark_stale(bad),
                service.increment(bad),
                service.decrement(bad),
                service.get_or_load(bad, lambda: 1),
            )

    async def test_one_text_is_no_collection_of_keys_or_tags(self, service: FullCacheService) -> None:
        text: Any = "text"
        many: Any
        for many in (text, b"text", 5, None):
            await all_refuse(TypeError, "keys must be", service.get_many(many), service.delete_many(many))
        await service.set("k", "kept")
        for tags in (text, ""):
            await all_refuse(
                TypeError,
                "tags must be",
                service.set("k", 1, tags=tags),
                service.set_many({"k": 1}, tags=tags),
                service.set_many([{"key": "k", "value": 1, "tags": "text"}]),
                service.add("new", 1, tags=tags),
                service.invalidate_tags(tags),
                service.get_or_load("new", lambda: 1, tags=tags),
            )
        assert await service.get_many(["k", "new"]) == ["kept", None]

    async def test_a_tag_is_a_text_that_is_not_empty(self, service: FullCacheService) -> None:
        bad: Any
        for bad, error in (
            (1, TypeError),
            (None, TypeError),
            (b"t", TypeError),
            ("", ValueError),
        ):
            with refuses(error, "tag"):
                await service.set("k", 1, tags=["good", bad])
            with refuses(error, "tag"):
                await service.invalidate_tags([bad])
        with refuses(ValueError, "tags"):
            await service.set("k", 1, tags=[f"{number}" for number in range(65)])
        assert await service.exists("k") is False

    async def test_a_class_as_default_was_meant_as_the_type(self, service: FullCacheService) -> None:
        await service.set("k", {"a": 1})
        for key in ("k", "absent"):
            with refuses(TypeError, "type=", "dict"):
                await service.get(key, dict)
            with refuses(TypeError, "type="):
                await service.get_many([key], dict)
        generic: Any
        for generic in (dict, list[int], int | None):
            await all_refuse(TypeError, "type=", service.get_many([], generic), service.get("absent", generic))

    async def test_a_type_is_a_type_whether_or_not_there_is_a_value(self, service: FullCacheService) -> None:
        await service.set("k", {"a": 1})
        wrong: Any
        for wrong in (5, "dict", {"a": int}, (int, str), len, object()):
            await all_refuse(
                TypeError,
                "type=",
                service.get("k", type=wrong),
                service.get("absent", type=wrong),
                service.get_many(["k", "absent"], type=wrong),
                service.get_many([], type=wrong),
            )
        right: Any
        for right in (dict, dict[str, int], dict[str, int] | None, object):
            assert await service.get("k", type=right) == {"a": 1}
            assert await service.get("absent", type=right) is None

    async def test_what_cannot_be_held_is_named_with_its_path(self, service: FullCacheService) -> None:
        await service.set("k", "kept")
        for value, path in (
            (object(), "$"),
            ({"orders": [{"lines": bytearray(b"x")}]}, "$.orders[0].lines"),
            ([1, (2, lambda: 3)], "$[1][1]"),
            (iter([1]), "$"),
        ):
            for refused in (service.set("k", value), service.set("k", value, tags=["t"]), service.add("new", value)):
                with refuses(SerializationError, path) as caught:
                    await refused
                assert isinstance(caught[0], TypeError)
                assert caught[0].path == path
        assert await service.get_many(["k", "new"]) == ["kept", None]

    async def test_a_pattern_is_a_text_that_is_not_empty(self, service: FullCacheService) -> None:
        await service.set("k", "kept")
        wrong: Any = b"*"
        with refuses(TypeError, "pattern"):
            await service.delete_pattern(wrong)
        for pattern in ("", "\ud800*"):
            with refuses(ValueError, "pattern"):
                await service.delete_pattern(pattern)
        assert await service.get("k") == "kept"

    async def test_items_have_keys_and_values(self, service: FullCacheService) -> None:
        items: Any
        for items in (
            "text",
            5,
            None,
            [("k", 1)],
            [{"key": "k"}],
            [{"value": 1}],
            ["k"],
            [{"key": "k", "value": 1, "x": 2}],
        ):
            with refuses(TypeError, "item"):
                await service.set_many(items)
        assert await service.exists("k") is False

    async def test_a_loader_can_be_called(self, service: FullCacheService) -> None:
        wrong: Any
        for wrong in ("value", None, 5):
            with refuses(TypeError, "loader"):
                await service.get_or_load("k", wrong)

    async def test_options_make_sense(self, service: FullCacheService) -> None:
        options: Any
        for options, error, part in (
            ({"tll": 5}, TypeError, "'ttl'"),
            ({"ttl_jitter": 2}, ValueError, "ttl_jitter"),
            ({"none_ttl": -1}, ValueError, "none_ttl"),
            ({"refresh_ahead": -1}, ValueError, "refresh_ahead"),
            ({"ttl": 10, "refresh_ahead": 10}, ValueError, "refresh_ahead"),
            ({"stale_while_revalidate": -1}, ValueError, "stale_while_revalidate"),
            ({"stale_while_revalidate": math.inf}, ValueError, "stale_while_revalidate must be finite"),
            ({"stale_if_error": "-1s"}, ValueError, "stale_if_error"),
            ({"stale_if_error": math.inf}, ValueError, "stale_if_error must be finite"),
            ({"soft_timeout": 0}, ValueError, "soft_timeout"),
            ({"soft_timeout": 30}, ValueError, "shorter than hard_timeout"),
            ({"soft_timeout": 5, "hard_timeout": 5}, ValueError, "shorter than hard_timeout"),
            ({"error_backoff": 0}, ValueError, "error_backoff"),
            ({"error_backoff": -1}, ValueError, "error_backoff"),
            ({"lease": 0}, ValueError, "lease"),
            ({"hard_timeout": 500}, ValueError, "500s"),
            ({"hard_timeout": 0}, ValueError, "hard_timeout"),
            ({"store_if": 1}, TypeError, "store_if"),
            ({"context": "none"}, ValueError, "context"),
            ({"enabled": 1}, TypeError, "enabled"),
        ):
            with refuses(error, part):
                service.with_options(**options)
            call = {name: value for name, value in options.items() if name != "ttl"}
            with refuses(error, part):
                await service.get_or_load("k", lambda: 1, options.get("ttl"), **call)
        assert await service.exists("k") is False

    async def test_what_shapes_the_decorators_key_is_no_option_of_a_service_or_call(
        self, service: FullCacheService
    ) -> None:
        options: Any
        for options in ({"version": 2}, {"ignore": ("session",)}):
            (name,) = options
            with refuses(TypeError, f"{name} belongs to @cache"):
                service.with_options(**options)
            with refuses(TypeError, f"{name} belongs to @cache"):
                await service.get_or_load("k", lambda: 1, **options)
        assert await service.exists("k") is False

    async def test_everything_after_ttl_is_given_by_name(self, service: FullCacheService) -> None:
        arguments: Any
        for verb, arguments in (
            ("get", ("k", None, dict)),
            ("get_many", (["k"], None, dict)),
            ("set", ("k", 1, 60, ["t"])),
            ("add", ("k", 1, 60, ["t"])),
            ("set_many", ({"k": 1}, 60, ["t"])),
            ("increment", ("k", 1, 60)),
            ("get_or_load", ("k", dict, 60, ["t"])),
            ("clear", (False,)),
            ("get_stats", (True,)),
        ):
            try:
                getattr(service, verb)(*arguments)
            except TypeError:
                continue
            raise AssertionError(f"{verb} took by position what must be named")

    async def test_a_sweep_without_a_prefix_is_refused(self, service: FullCacheService) -> None:
        everything = service.with_options(key_prefix="")
        with refuses(ConfigurationError, "key_prefix"):
            await everything.clear()
