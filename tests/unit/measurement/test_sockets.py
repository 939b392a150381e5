from __future__ import annotations

from runner.measurement.sockets import in_words

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1E63 00000000:0000 0A 00000000:00000005 00:00000000 00000000  7001        0 1 1 0 100
   1: 0100007F:1E63 0100007F:A0B2 01 00000000:00000052 00:00000000 00000000  7001        0 2 1 0 100
   2: 0100007F:A0B0 0100007F:1E63 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0
"""


def test_sockets_in_words() -> None:
    assert in_words(TABLE).splitlines() == [
        "state        local                 remote                  unread  unsent  user",
        "ESTABLISHED  127.0.0.1:7779        127.0.0.1:41138             82       0  7001",
        "LISTEN       127.0.0.1:7779        0.0.0.0:0                    5       0  7001",
        "and 1 in TIME_WAIT",
    ]


def test_a_state_nobody_knows_is_shown_as_it_is() -> None:
    assert "FE" in in_words(TABLE.replace(" 0A ", " FE "))
