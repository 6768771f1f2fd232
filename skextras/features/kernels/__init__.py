"""ENGINE: compiled passes over rows: bytes of text, numbers, and the rows that come out."""
