// The list of verbs is the header's: each has its method, and each function of the header is used.

package spuff_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"example.com/spuff"
)

// header is that of the library, two folders above the package.
func header(t *testing.T) string {
	return string(must(os.ReadFile(filepath.Join("..", "..", "include", "spuff.h")))(t))
}

// goName is a name of C's in Go's case.
func goName(name string) string {
	var words []string
	for _, word := range strings.Split(name, "_") {
		if word == "ssh" {
			words = append(words, "SSH")
			continue
		}
		words = append(words, strings.ToUpper(word[:1])+word[1:])
	}
	return strings.Join(words, "")
}

func TestEveryVerbOfTheHeaderHasItsMethod(t *testing.T) {
	provider, found := reflect.TypeFor[*spuff.Provider](), 0
	for _, match := range regexp.MustCompile(`\bspuff_provider_(\w+)\(`).
		FindAllStringSubmatch(header(t), -1) {
		verb := match[1]
		if verb == "free" || strings.HasSuffix(verb, "_submit") {
			continue
		}
		found++
		if _, has := provider.MethodByName(goName(verb)); !has {
			t.Errorf("spuff_provider_%s has no method %s", verb, goName(verb))
		}
	}
	if found < 22 {
		t.Errorf("only %d verbs were found in the header", found)
	}
}

func TestEveryVerbOfTheListHasItsMethod(t *testing.T) {
	provider := reflect.TypeFor[*spuff.Provider]()
	verbs := strings.Fields(
		string(must(os.ReadFile(filepath.Join("..", "..", "tests", "verbs.txt")))(t)),
	)
	for _, verb := range verbs {
		if _, has := provider.MethodByName(goName(verb)); !has {
			t.Errorf("%s has no method %s", verb, goName(verb))
		}
	}
	if len(verbs) < 23 {
		t.Errorf("only %d verbs are in the list", len(verbs))
	}
}

func TestEveryFunctionOfTheHeaderIsUsed(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"*.go", "*.c"} {
		for _, path := range must(filepath.Glob(pattern))(t) {
			if !strings.HasSuffix(path, "_test.go") {
				sources.Write(must(os.ReadFile(path))(t))
			}
		}
	}
	called := make(map[string]bool)
	for _, name := range regexp.MustCompile(`\bspuff_\w+`).FindAllString(sources.String(), -1) {
		called[name] = true
	}
	// Contexts stand for the state and the wait of tokens, maps for the label of a key, values for
	// copies of handles, slices for lists.
	unused := map[string]bool{
		"spuff_cancel_wait": true, "spuff_cancel_is_cancelled": true, "spuff_instance_label": true,
	}
	isUnused := func(name string) bool {
		return unused[name] || strings.HasSuffix(name, "_clone") || strings.HasSuffix(name, "s_new")
	}
	found := 0
	for _, match := range regexp.MustCompile(`(?m)^[a-z].*\b(spuff_\w+)\(`).
		FindAllStringSubmatch(header(t), -1) {
		name := match[1]
		found++
		// Of a verb in two forms one is enough.
		other, submits := strings.CutSuffix(name, "_submit")
		if !submits {
			other = name + "_submit"
		}
		if !called[name] && !called[other] && !isUnused(name) {
			t.Errorf("%s is not used", name)
		}
	}
	if found < 230 {
		t.Errorf("only %d functions were found in the header", found)
	}
}
