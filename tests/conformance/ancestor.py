"""The examples of the package that this one descends from: its users expect these keys, literally."""

from __future__ import annotations

from starlette.requests import Request

from pika_redis import cache
from pika_redis.service.base import Service
from pika_redis.testing.conformance.hooks import Hooks


class Sessions:
    def __init__(self, service: Service) -> None:
        self.cache_service = service
        self.loads = 0

    def __cache_key__(self) -> str:
        return "sessions"

    @cache(prefix="sessions", ttl=600)
    async def find(self, user_id: int, state: str = "active") -> str:
        self.loads += 1
        return f"{user_id} is {state}"


def request(query: str) -> Request:
    scope = {"type": "http", "method": "GET", "path": "/api/users/123", "query_string": query.encode(), "headers": []}
    return Request(scope)


class AncestorExamples(Hooks):
    async def test_the_key_of_a_callable_is_exactly_what_it_returned(self, service: Service) -> None:
        @cache(prefix="users", key_generator=lambda user_id: f"user:{user_id}", service=service)
        async def user(user_id: int) -> dict[str, int]:
            return {"id": user_id}

        assert user.key_for(123) == "users:user:123"
        assert await user(123) == {"id": 123}
        assert await service.get("users:user:123") == {"id": 123}
        assert await service.delete("users:user:123") is True

    async def test_the_key_of_a_request_is_its_path_and_sorted_query(self, service: Service) -> None:
        @cache(prefix="users", key_generator="http_request", service=service)
        async def show(request: Request) -> str:
            return request.url.path

        assert await show(request("include=profile")) == "/api/users/123"
        assert await service.get("users:GET:/api/users/123?include=profile") == "/api/users/123"
        assert show.key_for(request("sort=name&include=profile")) == (
            "users:GET:/api/users/123?include=profile&sort=name"
        )

    async def test_default_keys_are_matched_by_a_pattern_over_their_arguments(self, service: Service) -> None:
        sessions = Sessions(service)
        assert await sessions.find(42) == "42 is active"
        assert await sessions.find(42, "closed") == "42 is closed"
        assert await sessions.find(7) == "7 is active"
        assert await sessions.find(42, state="active") == "42 is active"
        assert sessions.loads == 3
        assert await service.delete_pattern("sessions:*:42:*") == 2
        assert await sessions.find(7) == "7 is active"
        assert sessions.loads == 3
        assert await sessions.find(42) == "42 is active"
        assert sessions.loads == 4
