module example.com/spuff-examples

go 1.24

require example.com/spuff v0.0.0

replace example.com/spuff => ../../spuff-ffi/go
