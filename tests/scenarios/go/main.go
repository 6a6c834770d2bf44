// The shared scenarios in Go: prints what comes of each step, as the runners of the other
// languages. README.md in the folder above says how a scenario is written, and what is printed.
//
//	tests/go/build tests/scenarios/go target/go/scenarios
//	target/go/scenarios tests/scenarios/lifecycle.scenario hetzner
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 2 {
		return errors.New("give a file and a provider")
	}
	file, err := os.Open(arguments[0])
	if err != nil {
		return err
	}
	defer file.Close()
	stage := &stage{name: arguments[1]}
	defer stage.end()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		step, rest, _ := strings.Cut(line, " ")
		told, err := stage.play(step, rest)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", arguments[0], line, err)
		}
		if told != "" {
			fmt.Printf("%s: %s\n", step, told)
		}
	}
	return lines.Err()
}
