"""Django's PostgreSQL, which asks the socket and not the server whether a kept connection still stands."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Between two requests nothing comes from the server but the end of the connection, or the reason for it."""
        if self.connection is None or self.connection.closed:
            return False
        socket = select.poll()
        socket.register(self.connection.fileno(), select.POLLIN)
        return not socket.poll(0)
