"""What the other side of a connection lets us send."""
import collections

from support import wire


class Windows(collections.defaultdict):
    """Octets, by stream; 0 is the connection."""

    def __init__(self):
        super().__init__(lambda: self.settings.get(wire.INITIAL_WINDOW_SIZE, wire.WINDOW))
        self.settings = {}  # the other side's
        self[0] = wire.WINDOW

    def take_settings(self, frame):
        before = self.default_factory()
        for at in range(0, len(frame.payload), 6):
            self.settings[int.from_bytes(frame.payload[at:at + 2], "big")] = frame.number(at + 2)
        for stream in self:  # RFC 9113 section 6.9.2
            self[stream] += self.default_factory() - before if stream else 0
