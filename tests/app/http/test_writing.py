import asyncio

from app.http.writing import Flow, JoinedWrites


class Transport:
    def __init__(self):
        self.calls = []

    def write(self, data):
        self.calls.append(data)

    def close(self):
        self.calls.append("closed")

    def is_closing(self):
        return "closed" in self.calls

    def get_extra_info(self, name):
        return f"extra {name}"


def in_a_loop(use):
    transport = Transport()

    async def run():
        await use(JoinedWrites(transport, asyncio.get_running_loop()))

    asyncio.run(run())
    return transport.calls


def test_what_one_turn_of_the_loop_writes_leaves_together():
    async def use(joined):
        joined.write(b"head ")
        joined.write(b"body")
        assert joined._transport.calls == []
        await asyncio.sleep(0)
        joined.write(b"next")
        await asyncio.sleep(0)

    assert in_a_loop(use) == [b"head body", b"next"]


def test_closing_lets_what_was_written_leave_first():
    async def use(joined):
        joined.write(b"last words")
        joined.close()
        assert joined.is_closing()
        await asyncio.sleep(0)

    assert in_a_loop(use) == [b"last words", "closed"]


def test_everything_else_is_the_transports():
    async def use(joined):
        assert joined.get_extra_info("peername") == "extra peername"

    assert in_a_loop(use) == []


class Pausable(Transport):
    def pause_reading(self):
        self.calls.append("paused")

    def resume_reading(self):
        self.calls.append("resumed")


def test_a_connection_is_not_read_on_while_requests_wait_whoever_asks_for_it():
    transport, waits = Pausable(), [1]
    flow = Flow(transport, lambda: bool(waits))
    flow.pause_reading()
    flow.resume_reading()
    assert transport.calls == ["paused"]
    waits.clear()
    flow.resume_reading()
    flow.resume_reading()
    assert transport.calls == ["paused", "resumed"]
