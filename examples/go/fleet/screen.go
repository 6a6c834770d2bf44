// A screen updates its lines in place on a terminal; other output gets a new line for each change.

package main

import (
	"fmt"
	"os"
	"sync"
)

type screen struct {
	mutex    sync.Mutex
	lines    []string
	terminal bool
	closed   bool
}

func newScreen(count int) *screen {
	s := &screen{lines: make([]string, count)}
	if info, err := os.Stdout.Stat(); err == nil {
		s.terminal = info.Mode()&os.ModeCharDevice != 0
	}
	if s.terminal {
		for range count {
			fmt.Println()
		}
	}
	return s
}

// show changes a line.
func (s *screen) show(number int, text string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.closed || s.lines[number] == text {
		return
	}
	s.lines[number] = text
	if !s.terminal {
		fmt.Println(text)
		return
	}
	// Up to the line, over it, and back below the last.
	up := len(s.lines) - number
	fmt.Printf("\x1b[%dA\r\x1b[2K%s\x1b[%dB\r", up, text, up)
}

func (s *screen) close() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.closed = true
}
