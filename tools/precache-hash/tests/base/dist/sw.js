old worker
