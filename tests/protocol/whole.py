"""Does it all hold together: flights, leases, claims, tags, changes, and a server that forgets?

Callers of one or two processes ask for one tagged key, a writer of another process commits and changes, and key, lease,
claim and tag may each be evicted or expire once, at any time. The server is one node. A GET and a store take two steps,
since others act between what the server does and what the process hears of it.

The rules, each of which can be taken out:

- `compares`: a load is stored only over the identity that was judged before it.
- `captures_first`: the tag's nonce is captured before the load, not after it.
- `judges_tags`: an entry counts only with the nonce that its tag has now.
- `new_nonce`: `mark_stale` gives the entry a new identity.
- `verdict`: who joined after the load began has its result only if the store found identity and tag unchanged.
- `shares_unsent_reads`: who joined after the GET was written doesn't get what it hits.
- `shares_unsent_stores`: who joined after the store was written reads again, whatever the verdict.
- `confirms`: who won a claim looks at the entry once more. It saves loads; nothing becomes stale without it.

The invariant: nobody gets a row older than the last change that had returned when it asked, and none such lies at the
server as if it were fresh.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, NamedTuple

from .checker import Actor, Model, Nonce, put

Change = Literal["delete", "invalidate_tags", "mark_stale"]
Found = Literal["absent", "fresh", "tag-dead", "stale"]
Event = Literal["key", "tag", "claim"]
At = Literal[
    "arrives",
    "joined",
    "reads",
    "judges",
    "leases",
    "confirms",
    "waits",
    "captures",
    "loads",
    "stores",
    "settles",
    "done",
]
Identity = tuple[str, Nonce]


@dataclass(frozen=True)
class Rules:
    compares: bool = True
    captures_first: bool = True
    judges_tags: bool = True
    new_nonce: bool = True
    verdict: bool = True
    shares_unsent_reads: bool = True
    shares_unsent_stores: bool = True
    confirms: bool = True


class Phase(IntEnum):
    """How far a flight is. Who joins remembers it."""

    NONE = 0
    UNSENT = 1
    READING = 2
    PREPARING = 3
    LOADING = 4
    STORING = 5


class Entry(NamedTuple):
    kind: Literal["V", "S", "L"]
    nonce: Nonce
    row: int | None = None
    tag: Nonce | None = None


class Caller(NamedTuple):
    at: At = "arrives"
    began: int | None = None
    """The newest row whose change had returned when it asked."""
    joined: Phase = Phase.NONE
    seen: Identity | None = None
    """What the GET found."""
    judged: Identity | None = None
    """What the store has to find: its lease, or what its claim is for."""
    claim: Nonce | None = None
    captured: Nonce | None = None
    row: int | None = None
    """What a hit gave or the load read."""
    verdict: bool = False
    got: int | None = None


class State(NamedTuple):
    row: int
    """The version that the database holds."""
    changed: int
    """Steps that the writer has taken."""
    returned: int
    """The version whose change returned last."""
    key: Entry | None
    tag: Nonce | None
    claim: Nonce | None
    forgets: tuple[Event, ...]
    flights: tuple[Phase, ...]
    callers: tuple[Caller, ...]
    unused: Nonce


Steps = Iterator[tuple[str, State]]


def identity(entry: Entry | None) -> Identity | None:
    return None if entry is None else (entry.kind, entry.nonce)


def usable(state: State) -> bool:
    """Whether the entry at the server counts as fresh."""
    return state.key is not None and state.key.kind == "V" and state.key.tag == state.tag


class Process:
    """What callers do. `homes` names the process of each."""

    def __init__(self, rules: Rules, homes: Sequence[int]) -> None:
        self._rules = rules
        self._homes = homes
        self._first: At = "captures" if rules.captures_first else "loads"
        """What comes behind the lease or the claim."""

    def caller(self, who: int) -> Actor[State]:
        steps = {
            "arrives": self.arrives,
            "reads": self.reads,
            "judges": self.judges,
            "leases": self.leases,
            "confirms": self.confirms,
            "waits": self.waits,
            "captures": self.captures,
            "loads": self.loads,
            "stores": self.stores,
            "settles": self.settles,
        }
        name = f"{'AB'[self._homes[who]]}{who}"

        def act(state: State) -> Steps:
            step = steps.get(state.callers[who].at)
            taken = step and step(state, who)
            if taken:
                yield f"{name} {taken[0]}", taken[1]

        return act

    def _moved(self, state: State, who: int, caller: Caller, phase: Phase | None = None) -> State:
        """This caller has moved on, and its flight too."""
        flights = state.flights if phase is None else put(state.flights, self._homes[who], phase)
        return state._replace(callers=put(state.callers, who, caller), flights=flights)

    def arrives(self, state: State, who: int) -> tuple[str, State]:
        caller, phase = state.callers[who], state.flights[self._homes[who]]
        began = state.returned if caller.began is None else caller.began
        if phase:
            return f"joins ({phase.name.lower()})", self._moved(state, who, Caller("joined", began, phase))
        return "begins a flight", self._moved(state, who, Caller("reads", began), Phase.UNSENT)

    def reads(self, state: State, who: int) -> tuple[str, State]:
        """The GET at the server. Replies and pushes come in order: the tag is judged as it stands here."""
        caller = state.callers[who]._replace(at="judges", seen=identity(state.key), row=None)
        fresh = state.key is not None and state.key.kind == "V"
        if state.key is not None and fresh and (state.key.tag == state.tag or not self._rules.judges_tags):
            caller = caller._replace(row=state.key.row)
        return "GET", self._moved(state, who, caller, Phase.READING)

    def judges(self, state: State, who: int) -> tuple[str, State]:
        caller = state.callers[who]
        if caller.row is not None:
            return f"hits row {caller.row}", self._settled(state, who, hit=True)
        return "finds nothing fresh", self._moved(state, who, caller._replace(at="leases"), Phase.PREPARING)

    def leases(self, state: State, who: int) -> tuple[str, State]:
        caller, entry, fresh = state.callers[who], state.key, state.unused
        drawn = state._replace(unused=fresh.after())
        if entry is None:
            caller = caller._replace(at=self._first, judged=("L", fresh), seen=None)
            return "leases", self._moved(drawn._replace(key=Entry("L", fresh)), who, caller)
        if entry.kind == "L":
            return "waits for the lease", self._moved(state, who, caller._replace(at="waits"))
        if identity(entry) != caller.seen:
            return "finds another entry", self._again(state, who)
        if state.claim is not None:
            return "waits for the claim", self._moved(state, who, caller._replace(at="waits"))
        after: At = "confirms" if self._rules.confirms else self._first
        caller = caller._replace(at=after, judged=caller.seen, claim=fresh)
        return "claims", self._moved(drawn._replace(claim=fresh), who, caller)

    def confirms(self, state: State, who: int) -> tuple[str, State]:
        """The GETRANGE behind the claim."""
        caller = state.callers[who]
        if identity(state.key) == caller.judged:
            return "confirms", self._moved(state, who, caller._replace(at=self._first, seen=None))
        return "confirms not", self._again(self._released(state, caller), who)

    def waits(self, state: State, who: int) -> tuple[str, State] | None:
        entry, caller = state.key, state.callers[who]
        leased = entry is not None and entry.kind == "L"
        claimed = entry is not None and identity(entry) == caller.seen and state.claim is not None
        return None if leased or claimed else ("wakes", self._again(state, who))

    def captures(self, state: State, who: int) -> tuple[str, State]:
        if state.tag is None:
            state = state._replace(tag=state.unused, unused=state.unused.after())
        after: At = "loads" if self._rules.captures_first else "stores"
        caller = state.callers[who]._replace(at=after, seen=None, captured=state.tag)
        return "captures the tag", self._moved(state, who, caller)

    def loads(self, state: State, who: int) -> tuple[str, State]:
        after: At = "stores" if self._rules.captures_first else "captures"
        caller = state.callers[who]._replace(at=after, row=state.row)
        return f"loads row {state.row}", self._moved(state, who, caller, Phase.LOADING)

    def stores(self, state: State, who: int) -> tuple[str, State]:
        """The store at the server, and what it found."""
        caller = state.callers[who]
        unchanged = identity(state.key) == caller.judged
        current = state.tag == caller.captured
        state = self._released(state, caller)
        if unchanged or not self._rules.compares:
            entry = Entry("V", state.unused, caller.row, caller.captured)
            state = state._replace(key=entry, unused=state.unused.after())
        caller = Caller("settles", caller.began, row=caller.row, verdict=unchanged and current)
        words = "stores" if unchanged else "is refused"
        return words, self._moved(state, who, caller, Phase.STORING)

    def settles(self, state: State, who: int) -> tuple[str, State]:
        return f"hands out row {state.callers[who].row}", self._settled(state, who, hit=False)

    def _settled(self, state: State, who: int, *, hit: bool) -> State:
        """The end of a flight: who may have its result has it, the others ask again."""
        leader, home = state.callers[who], self._homes[who]
        callers = put(state.callers, who, Caller("done", leader.began, got=leader.row))
        for index, caller in enumerate(callers):
            if caller.at == "joined" and self._homes[index] == home:
                may = self._may_share_hit(caller) if hit else self._may_share_load(caller, leader.verdict)
                after = Caller("done", caller.began, got=leader.row) if may else Caller("arrives", caller.began)
                callers = put(callers, index, after)
        return state._replace(callers=callers, flights=put(state.flights, home, Phase.NONE))

    def _may_share_hit(self, caller: Caller) -> bool:
        return caller.joined < Phase.READING or not self._rules.shares_unsent_reads

    def _may_share_load(self, caller: Caller, verdict: bool) -> bool:
        if caller.joined < Phase.LOADING:
            return True
        if caller.joined >= Phase.STORING and self._rules.shares_unsent_stores:
            return False
        return verdict or not self._rules.verdict

    def _again(self, state: State, who: int) -> State:
        """Back to the GET: everybody who has joined so far came before it."""
        home = self._homes[who]
        callers = tuple(
            caller._replace(joined=Phase.UNSENT) if caller.at == "joined" and self._homes[index] == home else caller
            for index, caller in enumerate(state.callers)
        )
        leader = Caller("reads", state.callers[who].began)
        return self._moved(state._replace(callers=callers), who, leader, Phase.UNSENT)

    @staticmethod
    def _released(state: State, caller: Caller) -> State:
        return state._replace(claim=None) if caller.claim and state.claim == caller.claim else state


def writer(change: Change, rules: Rules, rounds: int) -> Actor[State]:
    """Commits, changes, returns; so many times."""

    def stale(state: State) -> State:
        entry = state.key
        if entry is None or entry.kind == "L":
            return state._replace(key=None)
        nonce = state.unused if rules.new_nonce else entry.nonce
        return state._replace(key=entry._replace(kind="S", nonce=nonce), unused=state.unused.after())

    def act(state: State) -> Steps:
        if state.changed >= 3 * rounds:
            return
        after = state._replace(changed=state.changed + 1)
        match state.changed % 3:
            case 0:
                yield "W commits", after._replace(row=state.row + 1)
            case 1 if change == "delete":
                yield "W deletes", after._replace(key=None)
            case 1 if change == "invalidate_tags":
                yield "W invalidates the tag", after._replace(tag=None)
            case 1:
                yield "W marks stale", stale(after)
            case _:
                yield "W returns", after._replace(returned=state.row)

    return act


def server(state: State) -> Steps:
    """What gets lost without anybody's doing, each once."""
    for event in state.forgets:
        after = state._replace(forgets=tuple(other for other in state.forgets if other != event))
        if event == "key" and state.key is not None:
            yield "key or lease is lost", after._replace(key=None)
        elif event == "tag" and state.tag is not None:
            yield "tag is lost", after._replace(tag=None)
        elif event == "claim" and state.claim is not None:
            yield "claim is lost", after._replace(claim=None)


def found_at_start(found: Found) -> Entry | None:
    match found:
        case "absent":
            return None
        case "fresh":
            return Entry("V", Nonce(1), 0, Nonce(2))
        case "tag-dead":
            return Entry("V", Nonce(1), 0, Nonce(3))
        case "stale":
            return Entry("S", Nonce(1), 0, Nonce(2))


def whole(
    change: Change,
    found: Found,
    homes: Sequence[int],
    *,
    forgets: tuple[Event, ...] = (),
    rules: Rules = Rules(),
    rounds: int = 1,
) -> Model[State]:
    start = State(
        row=0,
        changed=0,
        returned=0,
        key=found_at_start(found),
        tag=Nonce(2),
        claim=None,
        forgets=forgets,
        flights=(Phase.NONE,) * (1 + max(homes)),
        callers=(Caller(),) * len(homes),
        unused=Nonce(4),
    )

    def broken(state: State) -> bool:
        if any(caller.got is not None and caller.got < (caller.began or 0) for caller in state.callers):
            return True
        return state.key is not None and usable(state) and (state.key.row or 0) < state.returned

    process = Process(rules, homes)
    return Model(
        start,
        [*(process.caller(who) for who in range(len(homes))), writer(change, rules, rounds), server],
        broken,
        done=lambda state: all(caller.at == "done" for caller in state.callers),
        count=lambda state: sum(caller.at == "stores" for caller in state.callers),
    )
