// What providers take and can do.

package spuff

// #include <spuff.h>
import "C"

// A Description says what a provider takes and can do.
type Description struct {
	Name string
	// Summary is what it is, in a line.
	Summary           string
	SupportsSnapshots bool
	// SupportsSSHKeys says whether it reads the account's SSH keys.
	SupportsSSHKeys bool
	// SupportsLabels says whether it keeps the values of labels.
	SupportsLabels bool
	// MaxUserData is the most bytes of user data that it takes; 0 if it takes none.
	MaxUserData int
	// Options are those of its configuration.
	Options []OptionDescription
}

// An OptionDescription is one option of a provider's configuration.
type OptionDescription struct {
	// Name is token, endpoint, region, ca_file, or a key of Config.Options.
	Name string
	// Doc is what it means, with its default.
	Doc string
	// Required says whether the provider cannot work without it.
	Required bool
	// Secret says whether its value must not be shown.
	Secret bool
	// Env are the environment variables that it is read from: the first that is set.
	Env []string
}

// takeDescription copies a description that the caller owns, and frees it.
func takeDescription(pointer *C.spuff_description) Description {
	defer C.spuff_description_free(&pointer)
	description := Description{
		Name:              C.GoString(C.spuff_description_name(pointer)),
		Summary:           C.GoString(C.spuff_description_summary(pointer)),
		SupportsSnapshots: bool(C.spuff_description_supports_snapshots(pointer)),
		SupportsSSHKeys:   bool(C.spuff_description_supports_ssh_keys(pointer)),
		SupportsLabels:    bool(C.spuff_description_supports_labels(pointer)),
		MaxUserData:       int(C.spuff_description_max_user_data(pointer)),
	}
	for at := range C.spuff_description_option_count(pointer) {
		option := OptionDescription{
			Name:     C.GoString(C.spuff_description_option_name(pointer, at)),
			Doc:      C.GoString(C.spuff_description_option_doc(pointer, at)),
			Required: bool(C.spuff_description_option_is_required(pointer, at)),
			Secret:   bool(C.spuff_description_option_is_secret(pointer, at)),
		}
		for variable := C.size_t(0); ; variable++ {
			name := C.spuff_description_option_env(pointer, at, variable)
			if name == nil {
				break
			}
			option.Env = append(option.Env, C.GoString(name))
		}
		description.Options = append(description.Options, option)
	}
	return description
}
