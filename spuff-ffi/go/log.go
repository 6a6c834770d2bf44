// The library's log, given to slog.

package spuff

// #include "bridge.h"
import "C"

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
)

// LevelTrace is the level of all there is; slog has no name for it.
const LevelTrace = slog.LevelDebug - 4

var (
	listening sync.Mutex
	listener  atomic.Pointer[slog.Logger]
)

// Listen gives the log of the library from now on, of level and what is more important, to logger
// in place of the one before; nil ends it. Each line has the module that logs as the attribute
// target. While nothing listens, the log costs nothing. The logger's handler is called in the
// middle of what is logged: it must be quick, and must call neither operations nor Listen. The
// logger before is not used any more when this returns.
func Listen(logger *slog.Logger, level slog.Level) error {
	listening.Lock()
	defer listening.Unlock()
	before := listener.Swap(logger)
	var failure *C.spuff_error
	code := C.spuffgo_listen(levelOf(level), C.bool(logger != nil), &failure)
	if code != C.SPUFF_OK {
		listener.Store(before)
	}
	return checked(code, failure)
}

// levelOf is the least important level of the library's that is not below one of slog's.
func levelOf(level slog.Level) C.int32_t {
	switch {
	case level > slog.LevelError:
		return C.SPUFF_LOG_LEVEL_OFF
	case level > slog.LevelWarn:
		return C.SPUFF_LOG_LEVEL_ERROR
	case level > slog.LevelInfo:
		return C.SPUFF_LOG_LEVEL_WARN
	case level > slog.LevelDebug:
		return C.SPUFF_LOG_LEVEL_INFO
	case level > LevelTrace:
		return C.SPUFF_LOG_LEVEL_DEBUG
	}
	return C.SPUFF_LOG_LEVEL_TRACE
}

const logWarn int32 = C.SPUFF_LOG_LEVEL_WARN

func logged(level int32, target, message string) {
	levels := [...]slog.Level{
		C.SPUFF_LOG_LEVEL_ERROR: slog.LevelError,
		C.SPUFF_LOG_LEVEL_WARN:  slog.LevelWarn,
		C.SPUFF_LOG_LEVEL_INFO:  slog.LevelInfo,
		C.SPUFF_LOG_LEVEL_DEBUG: slog.LevelDebug,
		C.SPUFF_LOG_LEVEL_TRACE: LevelTrace,
	}
	if logger := listener.Load(); logger != nil && level > 0 && int(level) < len(levels) {
		logger.Log(context.Background(), levels[level], message, "target", target)
	}
}
