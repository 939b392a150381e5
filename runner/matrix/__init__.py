"""`matrix.yaml` → experiment → cells. Pure: no engine, no network, no clock."""
