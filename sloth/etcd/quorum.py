"""Whether a majority stays when members go: arithmetic only, and the sum in words, so that everybody can check it.

etcd decides by Raft: more than half of the voting members must be healthy, learners do not count. Taking a member out is itself a
decision, made by the membership before it, and the one after it must be able to go on. etcd has such a check of its own
(`mayRemoveMember` in server/etcdserver/server.go of etcd 3.6), which looks at connections only and can be switched off; sloth
never leaves it to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sloth.errors import KubernetesError
from sloth.etcd.members import Member
from sloth.model.words import counted


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The count of one membership."""

    voting: int
    healthy: int  # of the voting ones

    @property
    def needed(self) -> int:
        """How many make a majority."""
        return self.voting // 2 + 1

    @property
    def decides(self) -> bool:
        """Whether this membership can decide anything."""
        return self.healthy >= self.needed

    @property
    def spare(self) -> int:
        """How many healthy members may still fail; negative if there are too few already."""
        return self.healthy - self.needed

    @property
    def members(self) -> str:
        """`3 voting members, 2 healthy, 2 needed`."""
        return f"{counted(self.voting, 'voting member')}, {str(self).partition(', ')[2]}"

    def __str__(self) -> str:
        return f"{self.voting} voting, {self.healthy} healthy, {self.needed} needed"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """May these members go? `after` holds the count after each part of it, with what is then so, in words."""

    now: Tally
    after: tuple[tuple[str, Tally], ...]

    @property
    def allowed(self) -> bool:
        """Whether there is a majority now and after every part."""
        return self.now.decides and all(tally.decides for _, tally in self.after)

    @property
    def text(self) -> str:
        """The sum: `3 voting members, 2 healthy, 2 needed; without control-2: 2 voting, 1 healthy, 2 needed: refused`."""
        parts = [self.now.members]
        if self.now.decides:
            parts += [f"{what}: {tally}" for what, tally in self.after]
        else:
            parts[0] += ", so nothing can be decided"
        return f"{'; '.join(parts)}: {'quorum stays' if self.allowed else 'refused'}"


def tally(members: Sequence[Member]) -> Tally:
    """Count a membership."""
    voters = [member for member in members if not member.learner]
    return Tally(voting=len(voters), healthy=sum(member.healthy for member in voters))


def take_out(members: Sequence[Member], leaving: Sequence[Member]) -> Verdict:
    """For good, one after the other in this order: each removal is decided by those who are members before it."""
    after = []
    gone: list[Member] = []
    for member in leaving:
        gone.append(member)
        without = f"without {', '.join(each.label for each in gone)}"
        after.append((without, tally([each for each in members if each not in gone])))
    return Verdict(now=tally(members), after=tuple(after))


def pause(members: Sequence[Member], stopping: Sequence[Member]) -> Verdict:
    """For a while, all at once (a reboot, an upgrade): they stay members, so their votes are needed and missing."""
    if not stopping:
        return Verdict(now=tally(members), after=())
    names = {member.id for member in stopping}
    voters = [member for member in members if not member.learner]
    left = Tally(voting=len(voters), healthy=sum(member.healthy and member.id not in names for member in voters))
    return Verdict(now=tally(members), after=((f"while {', '.join(each.label for each in stopping)} is down", left),))


def alone(members: Sequence[Member], survivor: Member) -> str:
    """What it means when this member goes on as the only one, without the others having been asked: the sum, line by line."""
    now = tally(members)
    answering = 1 + sum(member.answers for member in members if not member.learner and member is not survivor)
    more = now.needed - answering
    back = f"if {more} more came back" if more > 0 else f"if the {answering} that answer could reach each other"
    return "\n".join(
        [
            f"{now.members}, so nothing can be decided; {survivor.label} alone: 1 voting, 1 needed, none may fail",
            *(f"  {member.label}: {member.state}" for member in members),
            f"{back}, there would be a majority again, and nothing would be lost",
        ]
    )


def refusal(verdict: Verdict, names: Sequence[str], members: Sequence[Member], *, hint: str = "") -> KubernetesError:
    """The failure that a verdict which does not allow becomes: the sum, and the state of every member."""
    return KubernetesError(
        "etcd/quorum",
        f"{', '.join(names)} may not go: etcd would be without a majority",
        detail="\n".join([verdict.text, *(f"{member.label}: {member.state}" for member in members)]),
        where=names[0] if names else "",
        hint=hint or "bring the other control-plane nodes back first: sloth recover says what is wrong and what helps",
    )
