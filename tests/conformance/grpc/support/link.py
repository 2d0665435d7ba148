"""One connection of the gateway to a backend made of frames."""
import collections
import threading

import hpack

from support import wire
from support.call import Call
from support.patience import PATIENCE
from support.registry import Failure
from support.windows import Windows

PIECE = 65536


class Link:
    def __init__(self, connection, begin, settings=(), give_back=True, acknowledge=True, greet=True, hello=b"", table_size=None):
        """begin: is given each request. give_back: return the windows as DATA comes. greet: with SETTINGS; else with hello; None: close at once.
        table_size: of HPACK, what we let the gateway use."""
        self.socket, self.begin = connection, begin
        self.settings = list(settings) + ([(wire.HEADER_TABLE_SIZE, table_size)] if table_size is not None else [])
        self.give_back, self.acknowledge, self.greet = give_back, acknowledge, greet
        self.hello = hello
        self.lock = threading.RLock()  # of what is sent, and of the encoder
        self.changed = threading.Condition(self.lock)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 24
        self.unacknowledged = collections.deque()  # settings that the gateway may not know yet
        self.streams, self.frames, self.goaways, self.wrongs = {}, [], [], []
        self.windows = Windows()
        self.settled = False  # the gateway knows our settings
        self.most_open = 0  # streams at a time, since it does
        self.gone = threading.Event()
        self.deaf = False  # what comes is lost, as on a path that ends without a word
        self._block = None

    # --- sending

    def send(self, octets):
        """False if the gateway has closed the connection."""
        with self.lock:
            try:
                self.socket.sendall(octets)
                return True
            except OSError:
                return False

    def set(self, *pairs):
        """SETTINGS, as from their acknowledgement on they are held against the gateway."""
        with self.lock:
            self.unacknowledged.append(dict(pairs))
            self.send(wire.settings(*pairs))

    def change(self, *pairs):
        """SETTINGS that the gateway has acknowledged."""
        self.set(*pairs)
        if not self.wait(lambda: not self.unacknowledged, PATIENCE):
            raise Failure("expected the acknowledgement of SETTINGS, it did not come")

    def goaway(self, last_stream, code=wire.NO_ERROR):
        self.send(wire.goaway(last_stream, code))

    # --- receiving

    def serve(self):
        """Until the gateway closes the connection, or sends what is no HTTP/2."""
        if self.hello is None:
            self._end()
            return
        if self.greet:
            self.set(*self.settings)
        else:
            self.send(self.hello)
        try:
            octets = self._exactly(len(wire.PREFACE))
            if octets != wire.PREFACE:
                self.wrongs.append(f"a preface that reads {octets!r}")
                return
            while True:
                head = self._exactly(9)
                stream = int.from_bytes(head[5:9], "big") & wire.WINDOW_MAX
                frame = wire.Frame(head[3], head[4], stream, self._exactly(int.from_bytes(head[:3], "big")))
                if self.deaf:
                    continue
                with self.changed:
                    self.frames.append(frame)
                    self._take(frame)
                    self.changed.notify_all()
        except (EOFError, OSError):
            pass
        except hpack.HPACKError as error:
            self.wrongs.append(f"a header block that cannot be read: {error}")
        finally:
            self._end()

    def _exactly(self, count):
        octets = bytearray()
        while len(octets) < count:
            piece = self.socket.recv(min(count - len(octets), PIECE))
            if not piece:
                raise EOFError
            octets += piece
        return bytes(octets)

    def _end(self):
        with self.changed:
            self.gone.set()
            for call in self.streams.values():
                call.leave()
            self.changed.notify_all()
        self.socket.close()

    def _take(self, frame):
        call = self.streams.get(frame.stream)
        if frame.type == wire.SETTINGS:
            self._take_settings(frame)
        elif frame.type in (wire.HEADERS, wire.CONTINUATION):
            self._take_block(frame)
        elif frame.type == wire.DATA:
            self._take_data(call, frame)
        elif frame.type == wire.RST_STREAM and call:
            call.take_reset(frame.number())
        elif frame.type == wire.GOAWAY:
            self.goaways.append(frame)
        elif frame.type == wire.WINDOW_UPDATE:
            self.windows[frame.stream] += frame.number()
        elif frame.type == wire.PING and not frame.has(wire.ACK):
            self.send(wire.frame(wire.PING, wire.ACK, payload=frame.payload))

    def _take_settings(self, frame):
        if frame.has(wire.ACK):
            self.settled = True
            size = self.unacknowledged.popleft().get(wire.HEADER_TABLE_SIZE) if self.unacknowledged else None
            if size is not None:  # RFC 9113 section 4.3.1: the next block must be made by it
                self.decoder.max_allowed_table_size = size
            return
        self.windows.take_settings(frame)
        if self.acknowledge:
            self.send(wire.settings_ack())

    def _take_block(self, frame):
        if frame.type == wire.HEADERS:
            payload = frame.payload
            padding = 0
            if frame.has(wire.PADDED):
                padding, payload = payload[0], payload[1:]
            if frame.has(wire.WITH_PRIORITY):
                payload = payload[5:]
            self._block = [frame.stream, frame.flags, payload[:len(payload) - padding]]
        else:
            self._block[2] += frame.payload
        if not frame.has(wire.END_HEADERS):
            return
        stream, flags, octets = self._block
        fields = [(bytes(name), bytes(value)) for name, value in self.decoder.decode(octets, raw=True)]
        self._take_fields(stream, fields, flags & wire.END_STREAM != 0)

    def _take_fields(self, stream, fields, ended):
        call = self.streams.get(stream)
        if call:
            call.take_trailers(fields)
            if not ended:
                self.wrongs.append(f"HEADERS without END_STREAM behind the content on {stream}")
            return
        if stream % 2 == 0 or stream <= max(self.streams, default=0):
            self.wrongs.append(f"a request on stream {stream} after {max(self.streams, default=0)}")
        call = self.streams[stream] = Call(self, stream, fields, ended)
        if self.settled:
            self.most_open = max(self.most_open, sum(not other.over for other in self.streams.values()))
        self.begin(call)

    def _take_data(self, call, frame):
        if call is None or call.ended.is_set():
            self.wrongs.append(f"{frame} that no request is open for")
            return
        call.take_data(frame)
        if self.give_back and frame.payload:
            self.send(wire.window_update(0, len(frame.payload)))
            if not frame.has(wire.END_STREAM):
                self.send(wire.window_update(frame.stream, len(frame.payload)))

    # --- for the cases

    def wait(self, happened, patience):
        with self.changed:
            return self.changed.wait_for(happened, patience)

    def count(self, kind):
        with self.lock:
            return sum(frame.type == kind for frame in self.frames)

    def close(self):
        """With a reader waiting in another thread: that ends, too."""
        try:
            self.socket.shutdown(2)
        except OSError:
            pass
