module podfs/tests/cluster/proxy

go 1.21
