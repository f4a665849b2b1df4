"""One line a check."""

from contextlib import contextmanager


class Report:
    def __init__(self) -> None:
        self.counts = {"ok": 0, "FAILED": 0, "not checked": 0}

    def ok(self, what: str) -> None:
        self._say("ok", what)

    def failed(self, what: str, why: str) -> None:
        self._say("FAILED", f"{what}: {why}")

    def not_checked(self, what: str, why: str) -> None:
        self._say("not checked", f"{what}, because {why}")

    def holds(self, what: str, faults: list[str]) -> None:
        """One rule over many things: fails with every fault that was found."""
        if faults:
            self.failed(what, "; ".join(faults))
        else:
            self.ok(what)

    @contextmanager
    def rule(self, what: str):
        """Gathers the faults of a rule; what is missing where it is looked for is a fault too."""
        faults: list[str] = []
        try:
            yield faults
        except (KeyError, IndexError, TypeError, AttributeError, ValueError, StopIteration) as error:
            faults.append(f"{type(error).__name__} {error}")
        self.holds(what, faults)

    def end(self) -> int:
        counts = ", ".join(f"{count} {kind}" for kind, count in self.counts.items())
        print(counts, flush=True)
        return 1 if self.counts["FAILED"] else 0

    def _say(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        print(f"{kind}: {' '.join(text.split())}", flush=True)
