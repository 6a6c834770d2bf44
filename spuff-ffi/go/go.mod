module example.com/spuff

go 1.24
