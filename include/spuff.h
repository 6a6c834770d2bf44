/* spuff: starts, watches and ends cloud machines. MIT OR Apache-2.0.
 *
 * Made from spuff-ffi/src by cbindgen; change that, then run tests/ffi/header.
 *
 * How to begin: a machine that is started, used and ended
 *
 *     spuff_registry *registry = spuff_registry_with_defaults();
 *     spuff_provider *provider = NULL;
 *     spuff_request *request = NULL;
 *     spuff_instance *machine = NULL;
 *     spuff_error *error = NULL;
 *     spuff_code code = spuff_registry_from_env(registry, "hetzner", &provider, &error);
 *     if (code == SPUFF_OK) code = spuff_request_new("web-1", "fsn1", "cx22", &request, &error);
 *     if (code == SPUFF_OK) {
 *         code = spuff_provider_create_and_wait(provider, request, SPUFF_ON_FAILURE_DESTROY, NULL,
 *                                               NULL, &machine, &error);
 *     }
 *     if (code == SPUFF_OK) {
 *         printf("%s is at %s\n", spuff_instance_id(machine), spuff_instance_ip(machine));
 *         code = spuff_provider_destroy_instance(provider, spuff_instance_id(machine), NULL,
 *                                                &error);
 *     }
 *     if (code != SPUFF_OK) fprintf(stderr, "%s\n", spuff_error_text(error));
 *     spuff_error_free(&error), spuff_instance_free(&machine), spuff_request_free(&request);
 *     spuff_provider_free(&provider), spuff_registry_free(&registry);
 *
 * Map
 * - `spuff_registry`: the registered providers, and how one is made
 * - `spuff_config`: how to reach a provider
 * - `spuff_request`: a request for an instance
 * - `spuff_provider`: the operations that block
 * - `spuff_instance` and `spuff_instances`
 * - `spuff_error`: why a function failed, with all details
 * - `spuff_cancel`: cancels blocking calls, from any thread or at a deadline
 * - `spuff_progress` and `spuff_observer`: what a call sees on its way, and who is told
 * - `spuff_snapshot` and `spuff_snapshots`
 * - `spuff_strings`: a list of strings
 * - The operations that call back: each returns at once, and its callback is called once
 * - The operations on many instances, in their two forms
 * - `spuff_outcomes`: the outcomes of an operation on many instances
 * - `spuff_reap` and `spuff_reaped`: destroying what is expired, old, or of an owner
 * - `spuff_price`: the hourly price of an instance
 * - `spuff_placement`: the candidates for an instance, best first, and a price ceiling
 * - `spuff_placed`: a placed instance
 * - `spuff_attempts`: the outcome of each candidate that was tried
 * - Placements: the operations in their two forms
 * - The log: its lines go to a callback
 * - What this library is: its version and what is built into it
 * - Providers written in C: a table of functions becomes an entry of a registry
 * - `spuff_cloud`: simulated clouds
 * - `spuff_report`: whether a provider satisfies the contract
 *
 * Conventions
 * - Functions that can fail return a spuff_code, SPUFF_OK being 0, and put a spuff_error in *error
 *   when `error` is not NULL. What they make is put in *out, which is NULL after a failure. What
 *   stood in *out and *error before is overwritten and not freed: free it first, and give a
 *   variable that still holds something to no other call.
 * - Any pointer may be NULL. One that is needed then gives SPUFF_INVALID_CONFIG with the argument's
 *   name in spuff_error_field; a getter gives NULL, 0 or false.
 * - Text is UTF-8 and ends with NUL; text that is given is copied. Text that a getter gives is
 *   borrowed from its handle.
 * - Handles are opaque and have one owner, said at their type. A free function takes the address of
 *   the handle and sets it to NULL, so that freeing twice is harmless.
 * - A list of handles is a `const spuff_request *const *`: an array of `spuff_request *` needs a
 *   cast in C.
 * - `user_data` is given to its callback as it came, on any thread. It must live: of a call that
 *   was submitted, until its callback is called, the last time that anything of that call is; of an
 *   observer of a call that blocks, until that returns; of the log and of a notice, until these are
 *   ended; of a table, until its `drop` is called.
 * - A callback must return: an exception of C++ or a longjmp that leaves it is undefined. It may
 *   block, call spuff, and free handles, also the one that it is about, unless its type says
 *   otherwise.
 * - Threads that spuff starts keep the program's signals away, and a write to a closed connection
 *   makes no SIGPIPE on Linux and Apple's systems, whatever the program does with that signal. They
 *   end with the process: see spuff_settled.
 * - Functions may be called from any thread, unless their type says otherwise; a handle must not be
 *   freed or changed while another thread uses it, unless its type says that it may. No panic
 *   crosses into C: it is SPUFF_INTERNAL.
 * - A child of fork() must not use what its parent has made.
 *
 * What is here comes in the order of its use, in sections whose headings begin with four dashes.
 */

#ifndef SPUFF_H
#define SPUFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The version that this header is of; spuff_version tells that of the library.
#define SPUFF_VERSION "0.1.0"
#define SPUFF_VERSION_MAJOR 0
#define SPUFF_VERSION_MINOR 1
#define SPUFF_VERSION_PATCH 0

/* Define SPUFF_SHARED where the library is a DLL of Windows. */
#if defined(_WIN32) && defined(SPUFF_SHARED)
#define SPUFF_EXPORTED __declspec(dllimport)
#elif defined(__GNUC__)
#define SPUFF_EXPORTED __attribute__((visibility("default")))
#else
#define SPUFF_EXPORTED
#endif

/* What must be looked at, or freed. */
#if defined(__GNUC__)
#define SPUFF_MUST_USE __attribute__((warn_unused_result))
#else
#define SPUFF_MUST_USE
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is named everywhere ---- */

typedef struct spuff_attempts spuff_attempts;
typedef struct spuff_cancel spuff_cancel;
typedef struct spuff_cloud spuff_cloud;
typedef struct spuff_config spuff_config;
typedef struct spuff_description spuff_description;
typedef struct spuff_error spuff_error;
typedef struct spuff_instance spuff_instance;
typedef struct spuff_instances spuff_instances;
typedef struct spuff_notice spuff_notice;
typedef struct spuff_outcomes spuff_outcomes;
typedef struct spuff_placed spuff_placed;
typedef struct spuff_placement spuff_placement;
typedef struct spuff_price spuff_price;
typedef struct spuff_provider spuff_provider;
typedef struct spuff_reap spuff_reap;
typedef struct spuff_reaped spuff_reaped;
typedef struct spuff_registry spuff_registry;
typedef struct spuff_report spuff_report;
typedef struct spuff_request spuff_request;
typedef struct spuff_resources spuff_resources;
typedef struct spuff_snapshot spuff_snapshot;
typedef struct spuff_snapshots spuff_snapshots;
typedef struct spuff_strings spuff_strings;
typedef struct spuff_subject spuff_subject;
typedef struct spuff_fleet_options spuff_fleet_options;
typedef struct spuff_progress spuff_progress;
typedef struct spuff_observer spuff_observer;
typedef struct spuff_cloud_options spuff_cloud_options;
typedef struct spuff_provider_vtable spuff_provider_vtable;

/// What a function returns: 0, or the kind of the error. The numbers are the same in every
/// language, and never change.
enum spuff_code
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /// Done.
    SPUFF_OK = 0,
    /// The credentials are invalid or lack permission.
    SPUFF_AUTHENTICATION = 1,
    /// The rate limit was reached; the call was not carried out.
    SPUFF_RATE_LIMIT = 2,
    /// The addressed resource does not exist.
    SPUFF_NOT_FOUND = 3,
    /// The account's quota for this resource is used up.
    SPUFF_QUOTA_EXCEEDED = 4,
    /// A value is invalid; also an argument that is NULL or not UTF-8.
    SPUFF_INVALID_CONFIG = 5,
    /// The provider, or this build, does not support this operation or option.
    SPUFF_NOT_SUPPORTED = 6,
    /// The deadline expired.
    SPUFF_TIMEOUT = 7,
    /// The API could not be reached, or its reply was cut off.
    SPUFF_NETWORK = 8,
    /// A reply that fits no other kind.
    SPUFF_API = 9,
    /// The provider is known by name, but this build does not contain it.
    SPUFF_NOT_IMPLEMENTED = 10,
    /// No provider of that name is registered.
    SPUFF_UNKNOWN_PROVIDER = 11,
    /// Any other error.
    SPUFF_OTHER = 12,
    /// The state of the resource forbids it, or its name is taken.
    SPUFF_CONFLICT = 13,
    /// Out of stock at this time and place.
    SPUFF_CAPACITY = 14,
    /// The cloud has an internal failure.
    SPUFF_UNAVAILABLE = 15,
    /// The call may or may not have been carried out: resolve its key before a retry.
    SPUFF_UNKNOWN_OUTCOME = 16,
    /// The caller cancelled the call.
    SPUFF_CANCELLED = 17,
    /// A bug in spuff: a caught panic.
    SPUFF_INTERNAL = 18,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum spuff_code spuff_code;
#else
typedef int32_t spuff_code;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/* ---- `spuff_registry`: the registered providers, and how one is made ---- */

/// The options and capabilities of a provider. Owned by the caller that got it, freed with
/// spuff_description_free; its texts live as long as it does. Any thread may read it.
struct spuff_description;

/// The providers that can be used, by name. Owned by the caller that made it, freed with
/// spuff_registry_free; providers outlive it. Any thread may use it at any time.
struct spuff_registry;

/// Makes a registry without providers. Never NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
struct spuff_registry *spuff_registry_new(void);

/// Makes a registry with every provider of this build: `digitalocean`, `hetzner`, `aws` and
/// `docker`, unless they were left out. Never NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
struct spuff_registry *spuff_registry_with_defaults(void);

/// Frees a registry and sets *registry to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
SPUFF_EXPORTED
void spuff_registry_free(struct spuff_registry **registry);

/// Makes a provider from its name or alias and a configuration, which may be NULL. Nothing is sent,
/// and the environment is not read. The caller owns *out.
///
/// Errors: SPUFF_UNKNOWN_PROVIDER with the names that would work; SPUFF_NOT_IMPLEMENTED;
/// SPUFF_INVALID_CONFIG, with the field.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_registry_connect(const struct spuff_registry *registry,
                                  const char *name,
                                  const struct spuff_config *config,
                                  struct spuff_provider **out,
                                  struct spuff_error **error);

/// Makes a provider from its name or alias, a token and the default timeouts. The caller owns *out.
///
/// Errors: as spuff_registry_connect.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_registry_create_by_name(const struct spuff_registry *registry,
                                         const char *name,
                                         const char *token,
                                         struct spuff_provider **out,
                                         struct spuff_error **error);

/// Makes a provider from the environment: each option from the first of its variables that is set.
/// The caller owns *out.
///
/// Errors: as spuff_registry_connect; SPUFF_INVALID_CONFIG names the variables when one is missing.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_registry_from_env(const struct spuff_registry *registry,
                                   const char *name,
                                   struct spuff_provider **out,
                                   struct spuff_error **error);

/// Fills what a configuration leaves out from the environment variables that the provider
/// describes.
///
/// Errors: as spuff_registry_from_env; then the configuration is as it was.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_registry_config_from_env(const struct spuff_registry *registry,
                                          const char *name,
                                          struct spuff_config *config,
                                          struct spuff_error **error);

/// The names of the providers that are registered, in their order. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_registry_registered_providers(const struct spuff_registry *registry,
                                               struct spuff_strings **out,
                                               struct spuff_error **error);

/// The names of the providers that can be made, in their order. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_registry_implemented_providers(const struct spuff_registry *registry,
                                                struct spuff_strings **out,
                                                struct spuff_error **error);

/// Whether a provider of that name or alias is registered. false for NULL.
SPUFF_EXPORTED
bool spuff_registry_is_registered(const struct spuff_registry *registry, const char *name);

/// Returns the options and capabilities of a registered provider. The caller owns *out.
///
/// Errors: SPUFF_UNKNOWN_PROVIDER with the names that would work.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_registry_describe(const struct spuff_registry *registry,
                                   const char *name,
                                   struct spuff_description **out,
                                   struct spuff_error **error);

/// Frees a description and sets *description to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
SPUFF_EXPORTED
void spuff_description_free(struct spuff_description **description);

/// The provider's name. NULL for NULL, as all getters here that give text.
SPUFF_EXPORTED
const char *spuff_description_name(const struct spuff_description *description);

/// What it is, in a line.
SPUFF_EXPORTED
const char *spuff_description_summary(const struct spuff_description *description);

/// Whether it makes snapshots. false for NULL, as the next ones.
SPUFF_EXPORTED
bool spuff_description_supports_snapshots(const struct spuff_description *description);

/// Whether it reads the account's SSH keys.
SPUFF_EXPORTED
bool spuff_description_supports_ssh_keys(const struct spuff_description *description);

/// Whether it keeps the values of labels.
SPUFF_EXPORTED
bool spuff_description_supports_labels(const struct spuff_description *description);

/// The most bytes of user data that it takes; 0 if it takes none.
SPUFF_EXPORTED
size_t spuff_description_max_user_data(const struct spuff_description *description);

/// How many options its configuration has. 0 for NULL.
SPUFF_EXPORTED
size_t spuff_description_option_count(const struct spuff_description *description);

/// The name of an option: `token`, `endpoint`, `region`, `ca_file`, or one for
/// spuff_config_set_option. NULL past the end.
SPUFF_EXPORTED
const char *spuff_description_option_name(const struct spuff_description *description,
                                          size_t index);

/// What that option means, with its default. NULL past the end.
SPUFF_EXPORTED
const char *spuff_description_option_doc(const struct spuff_description *description, size_t index);

/// Whether the provider cannot work without that option. false past the end.
SPUFF_EXPORTED
bool spuff_description_option_is_required(const struct spuff_description *description,
                                          size_t index);

/// Whether the value of that option must not be shown. false past the end.
SPUFF_EXPORTED
bool spuff_description_option_is_secret(const struct spuff_description *description, size_t index);

/// One of the environment variables that this option is read from, the first that is set. NULL past
/// the end.
SPUFF_EXPORTED
const char *spuff_description_option_env(const struct spuff_description *description,
                                         size_t index,
                                         size_t variable);

/* ---- `spuff_config`: how to reach a provider ---- */

/// How to reach a provider; what is left out is the provider's default. Owned by the caller that
/// made it, freed with spuff_config_free; connecting copies it. One thread at a time may change it.
struct spuff_config;

/// Makes a configuration with nothing in it. Never NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
struct spuff_config *spuff_config_new(void);

/// Frees a configuration and sets *config to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
SPUFF_EXPORTED
void spuff_config_free(struct spuff_config **config);

/// Sets the token. For AWS `ACCESS_KEY_ID:SECRET[:SESSION_TOKEN]`, or empty for the standard
/// credential chain.
///
/// Errors, here and in the other setters: SPUFF_INVALID_CONFIG for NULL and for text that is not
/// UTF-8.
SPUFF_EXPORTED
spuff_code spuff_config_set_token(struct spuff_config *config,
                                  const char *token,
                                  struct spuff_error **error);

/// Sets the base URL of the API: https, or http on a loopback address. For `docker` it is the
/// engine's address, such as unix:///var/run/docker.sock.
SPUFF_EXPORTED
spuff_code spuff_config_set_endpoint(struct spuff_config *config,
                                     const char *endpoint,
                                     struct spuff_error **error);

/// Sets the region that is used for requests that name none.
SPUFF_EXPORTED
spuff_code spuff_config_set_region(struct spuff_config *config,
                                   const char *region,
                                   struct spuff_error **error);

/// Sets the path of a PEM file with certificate authorities to trust in addition to those of the
/// platform.
SPUFF_EXPORTED
spuff_code spuff_config_set_ca_file(struct spuff_config *config,
                                    const char *path,
                                    struct spuff_error **error);

/// Sets an option that only this provider knows; spuff_registry_describe lists them.
SPUFF_EXPORTED
spuff_code spuff_config_set_option(struct spuff_config *config,
                                   const char *name,
                                   const char *value,
                                   struct spuff_error **error);

/// Sets one of the timeouts, in milliseconds: `instance_ready` (300000), `action_complete`
/// (600000), `poll_interval` (5000), `http_request` (30000), `ssh_connect` (300000) or `cloud_init`
/// (600000).
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, and for a name that is none of these.
SPUFF_EXPORTED
spuff_code spuff_config_set_timeout_ms(struct spuff_config *config,
                                       const char *name,
                                       uint64_t value,
                                       struct spuff_error **error);

/// One of the timeouts by its name, in milliseconds; -1 for a name that is none, and for NULL.
SPUFF_EXPORTED
int64_t spuff_config_timeout_ms(const struct spuff_config *config, const char *name);

/// The token, in the clear, for a provider written in C. NULL if none was set. Lives until the
/// configuration is changed or freed, as what the other getters give.
SPUFF_EXPORTED
const char *spuff_config_token(const struct spuff_config *config);

/// The base URL of the API. NULL if none was set.
SPUFF_EXPORTED
const char *spuff_config_endpoint(const struct spuff_config *config);

/// The default region. NULL if none was set.
SPUFF_EXPORTED
const char *spuff_config_region(const struct spuff_config *config);

/// The path of the file with certificate authorities. NULL if none was set.
SPUFF_EXPORTED
const char *spuff_config_ca_file(const struct spuff_config *config);

/// An option by its name. NULL if it was not set.
SPUFF_EXPORTED
const char *spuff_config_option(const struct spuff_config *config, const char *name);

/// How many options are set. 0 for NULL.
SPUFF_EXPORTED
size_t spuff_config_option_count(const struct spuff_config *config);

/// The name of one of these, in their order, for spuff_config_option. NULL past the end.
SPUFF_EXPORTED
const char *spuff_config_option_name(const struct spuff_config *config, size_t index);

/* ---- `spuff_request`: a request for an instance ---- */

/// What happens to the instance when its create is cancelled.
enum spuff_on_cancel
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /// It is destroyed, unless it has an idempotency key of the caller's.
    SPUFF_ON_CANCEL_DEFAULT = 0,
    /// It is destroyed in the background, as soon as it is known.
    SPUFF_ON_CANCEL_DESTROY = 1,
    /// It is left running.
    SPUFF_ON_CANCEL_KEEP = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum spuff_on_cancel spuff_on_cancel;
#else
typedef int32_t spuff_on_cancel;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// A request for an instance. Owned by the caller that made it, freed with spuff_request_free; a
/// create copies it. One thread at a time may change it.
struct spuff_request;

/// Makes a request for an instance of that name, in that region (empty: the provider's default), of
/// that size, with Ubuntu 24.04. The caller owns *out.
///
/// Errors, here and in the setters: SPUFF_INVALID_CONFIG for NULL and for text that is not UTF-8.
/// The cloud's own rules are checked by the create, before it sends anything.
SPUFF_EXPORTED
spuff_code spuff_request_new(const char *name,
                             const char *region,
                             const char *size,
                             struct spuff_request **out,
                             struct spuff_error **error);

/// Frees a request and sets *request to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
SPUFF_EXPORTED
void spuff_request_free(struct spuff_request **request);

/// Sets what it boots from: `ubuntu:24.04`, `debian:12`, `snapshot:ID`, or the provider's own id.
SPUFF_EXPORTED
spuff_code spuff_request_set_image(struct spuff_request *request,
                                   const char *image,
                                   struct spuff_error **error);

/// Sets a cloud-init document or script, as plain text.
SPUFF_EXPORTED
spuff_code spuff_request_set_user_data(struct spuff_request *request,
                                       const char *user_data,
                                       struct spuff_error **error);

/// Adds a label, or replaces its value.
SPUFF_EXPORTED
spuff_code spuff_request_add_label(struct spuff_request *request,
                                   const char *key,
                                   const char *value,
                                   struct spuff_error **error);

/// Adds an SSH key of the account, by id, name or fingerprint.
SPUFF_EXPORTED
spuff_code spuff_request_add_ssh_key(struct spuff_request *request,
                                     const char *key,
                                     struct spuff_error **error);

/// Sets the idempotency key: the same request under the same key, also from another process,
/// returns the same instance.
SPUFF_EXPORTED
spuff_code spuff_request_set_idempotency_key(struct spuff_request *request,
                                             const char *key,
                                             struct spuff_error **error);

/// Sets the owner: 1 to 63 letters, digits, `-`, `_` and `.`.
SPUFF_EXPORTED
spuff_code spuff_request_set_owner(struct spuff_request *request,
                                   const char *owner,
                                   struct spuff_error **error);

/// Sets for how many seconds, from its create, it is leased: after that spuff_provider_reap
/// destroys it.
SPUFF_EXPORTED
spuff_code spuff_request_set_ttl_seconds(struct spuff_request *request,
                                         uint64_t seconds,
                                         struct spuff_error **error);

/// Sets what happens to the instance when its create is cancelled: one of spuff_on_cancel.
SPUFF_EXPORTED
spuff_code spuff_request_set_on_cancel(struct spuff_request *request,
                                       int32_t on_cancel,
                                       struct spuff_error **error);

/// The name. Lives until the request is changed or freed, as what the other getters give. NULL for
/// NULL, as there.
SPUFF_EXPORTED
const char *spuff_request_name(const struct spuff_request *request);

/// The region; empty for the provider's default.
SPUFF_EXPORTED
const char *spuff_request_region(const struct spuff_request *request);

/// The size.
SPUFF_EXPORTED
const char *spuff_request_size(const struct spuff_request *request);

/// What it boots from, as spuff_request_set_image takes it.
SPUFF_EXPORTED
const char *spuff_request_image(const struct spuff_request *request);

/// The cloud-init document or script. NULL if there is none.
SPUFF_EXPORTED
const char *spuff_request_user_data(const struct spuff_request *request);

/// The idempotency key. NULL if there is none.
SPUFF_EXPORTED
const char *spuff_request_idempotency_key(const struct spuff_request *request);

/// The owner. NULL if there is none.
SPUFF_EXPORTED
const char *spuff_request_owner(const struct spuff_request *request);

/// The lease in seconds; -1 if it has none.
SPUFF_EXPORTED
int64_t spuff_request_ttl_seconds(const struct spuff_request *request);

/// How many labels there are.
SPUFF_EXPORTED
size_t spuff_request_label_count(const struct spuff_request *request);

/// The key of a label, in the order of the keys. NULL past the end.
SPUFF_EXPORTED
const char *spuff_request_label_key(const struct spuff_request *request, size_t index);

/// The value of that label. NULL past the end.
SPUFF_EXPORTED
const char *spuff_request_label_value(const struct spuff_request *request, size_t index);

/// How many SSH keys are asked for.
SPUFF_EXPORTED
size_t spuff_request_ssh_key_count(const struct spuff_request *request);

/// One of these keys. NULL past the end.
SPUFF_EXPORTED
const char *spuff_request_ssh_key(const struct spuff_request *request, size_t index);

/* ---- `spuff_provider`: the operations that block ---- */

/// What happens to an instance that was made but does not become ready. An adopted one (see
/// spuff_instance_adopted) is left.
enum spuff_on_failure
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /// It is destroyed if it has failed itself, is gone, or was not ready in time. One that could
    /// not be polled is left; the error carries its id.
    SPUFF_ON_FAILURE_DESTROY = 0,
    /// It is left as it is; the error carries its id.
    SPUFF_ON_FAILURE_KEEP = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum spuff_on_failure spuff_on_failure;
#else
typedef int32_t spuff_on_failure;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// A cloud that instances can be started on. Owned by the caller that got it, freed with
/// spuff_provider_free, also while calls are in progress: those that were submitted, and those that
/// block and of which it is certain that they have begun, as a progress or the provider's own
/// function tells. Any thread may use it at any time; that none begins a call as it is freed is the
/// owner's to see to.
///
/// Every operation takes a token, or NULL, that ends the call early: with SPUFF_CANCELLED, or
/// SPUFF_TIMEOUT at the token's deadline. A read is abandoned without harm; a create is completed
/// or rolled back in the background, see spuff_settled. The errors of all operations name the
/// provider, and the instance that they are about.
struct spuff_provider;

/// Frees a provider and sets *provider to NULL; calls that are in progress go on. NULL, or a
/// pointer to NULL, is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_provider_free(struct spuff_provider **provider);

/// The provider's name. Lives as long as the provider. NULL for NULL.
SPUFF_EXPORTED
const char *spuff_provider_name(const struct spuff_provider *provider);

/// Whether it makes snapshots. false for NULL.
SPUFF_EXPORTED
bool spuff_provider_supports_snapshots(const struct spuff_provider *provider);

/// Creates an instance and waits until it is ready. One that was made but does not become ready is
/// destroyed or kept, as `on_failure`, one of spuff_on_failure, says; also when the call is
/// cancelled. The caller owns *out. `observer` may be NULL.
///
/// Errors: those of spuff_provider_create_instance and spuff_provider_wait_ready;
/// spuff_error_instance_exists reports whether the instance exists. A failed destroy is retried in
/// the background.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_create_and_wait(const struct spuff_provider *provider,
                                          const struct spuff_request *request,
                                          int32_t on_failure,
                                          const struct spuff_cancel *cancel,
                                          const struct spuff_observer *observer,
                                          struct spuff_instance **out,
                                          struct spuff_error **error);

/// The instances of an owner, of those that spuff manages: also stopped ones. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for an owner that cannot be one.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_list_owned(const struct spuff_provider *provider,
                                     const char *owner,
                                     const struct spuff_cancel *cancel,
                                     struct spuff_instances **out,
                                     struct spuff_error **error);

/// Sets the lease of an instance to end `ttl_seconds` from now, whether or not it had one, and
/// returns the end in *expires_at_ms, in milliseconds since 1970 (UTC).
///
/// Errors: as spuff_provider_set_labels; SPUFF_INVALID_CONFIG for no time at all.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_renew(const struct spuff_provider *provider,
                                const char *id,
                                uint64_t ttl_seconds,
                                const struct spuff_cancel *cancel,
                                int64_t *expires_at_ms,
                                struct spuff_error **error);

/// Destroys the managed instances and snapshots that match `which`. One failure does not stop the
/// rest. The caller owns *out. `observer` may be NULL. An instance whose lease was renewed
/// meanwhile is left alone, and is not in *out. A cancelled call has destroyed some; call it again
/// for the rest.
///
/// Errors: SPUFF_INVALID_CONFIG when `which` has no filter; those of listing. *out reports what
/// could not be destroyed.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_reap(const struct spuff_provider *provider,
                               const struct spuff_reap *which,
                               const struct spuff_cancel *cancel,
                               const struct spuff_observer *observer,
                               struct spuff_reaped **out,
                               struct spuff_error **error);

/// Waits for the work that is in the background at this call: abandoned creates, and destroys of
/// instances whose create was cancelled. It does not wait for work that begins later, nor for a
/// create whose caller still waits. A program that exits earlier may leave instances behind; their
/// labels show the owner. The cloud has then accepted each destroy: lists may show the instance for
/// a while.
///
/// Errors: SPUFF_CANCELLED, or SPUFF_TIMEOUT at the token's deadline.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_settled(const struct spuff_cancel *cancel, struct spuff_error **error);

/// Creates an instance and returns once the cloud has accepted it: it may still be booting.
///
/// If the same idempotency key has already made an instance, returns that one, with
/// spuff_instance_adopted set. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG before any request is sent; SPUFF_CAPACITY and SPUFF_QUOTA_EXCEEDED
/// when there is no room. If the reply is lost, spuff searches for the instance and sends the
/// create again only when certain that it made nothing. Returns SPUFF_UNKNOWN_OUTCOME if that is
/// still unknown after `instance_ready`, with a key for spuff_provider_resolve.
///
/// A cancelled create continues in the background until the instance is known, and destroys it
/// unless spuff_request_set_on_cancel says otherwise. spuff_settled waits for that. An abandoned
/// request that certainly was not carried out, such as one answered with HTTP 429, is not sent
/// again: nothing is made.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_create_instance(const struct spuff_provider *provider,
                                          const struct spuff_request *request,
                                          const struct spuff_cancel *cancel,
                                          struct spuff_instance **out,
                                          struct spuff_error **error);

/// Destroys an instance. Succeeds if it no longer exists; retries while it is locked, until
/// `action_complete` has passed.
///
/// Errors: SPUFF_CONFLICT when the instance stays locked or is protected.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_destroy_instance(const struct spuff_provider *provider,
                                           const char *id,
                                           const struct spuff_cancel *cancel,
                                           struct spuff_error **error);

/// Returns the instance, or NULL if it does not exist. *out is NULL, with SPUFF_OK, if there is
/// none. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG when `id` cannot be an id of this cloud.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_get_instance(const struct spuff_provider *provider,
                                       const char *id,
                                       const struct spuff_cancel *cancel,
                                       struct spuff_instance **out,
                                       struct spuff_error **error);

/// Lists every instance that carries `managed-by=spuff`, from all pages. The caller owns *out.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_list_instances(const struct spuff_provider *provider,
                                         const struct spuff_cancel *cancel,
                                         struct spuff_instances **out,
                                         struct spuff_error **error);

/// Waits until the instance is active and has a public address.
///
/// Active means that the hypervisor has started it, not that SSH or cloud-init is ready. The caller
/// owns *out. `observer` gets the progress; it may be NULL.
///
/// Errors of the instance: SPUFF_TIMEOUT of `wait_ready` after `instance_ready`; SPUFF_NOT_FOUND
/// with its id if it no longer exists; and, as soon as the instance has failed: SPUFF_CAPACITY,
/// SPUFF_QUOTA_EXCEEDED, a SPUFF_CONFLICT that is not retryable, or another error that has the
/// cloud's reason.
///
/// Errors of the poll: any other error, unchanged, when the state of the instance cannot be read:
/// invalid credentials, no network, an unreadable reply. spuff_error_is_instance_failure
/// distinguishes the two groups.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_wait_ready(const struct spuff_provider *provider,
                                     const char *id,
                                     const struct spuff_cancel *cancel,
                                     const struct spuff_observer *observer,
                                     struct spuff_instance **out,
                                     struct spuff_error **error);

/// Creates a snapshot and waits until it is usable. The caller owns *out. `observer` gets the
/// progress; it may be NULL.
///
/// Errors: SPUFF_TIMEOUT after `action_complete`; SPUFF_NOT_SUPPORTED if
/// spuff_provider_supports_snapshots is false; SPUFF_UNKNOWN_OUTCOME, with a key for
/// spuff_provider_resolve_snapshot.
///
/// A cancelled snapshot is finished in the background, and kept.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_create_snapshot(const struct spuff_provider *provider,
                                          const char *instance_id,
                                          const char *name,
                                          const struct spuff_cancel *cancel,
                                          const struct spuff_observer *observer,
                                          struct spuff_snapshot **out,
                                          struct spuff_error **error);

/// Lists every snapshot that carries `managed-by=spuff`, from all pages. Does not read labels. The
/// caller owns *out.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_list_snapshots(const struct spuff_provider *provider,
                                         const struct spuff_cancel *cancel,
                                         struct spuff_snapshots **out,
                                         struct spuff_error **error);

/// Lists every snapshot that carries `managed-by=spuff`, from all pages, with its labels. The
/// caller owns *out.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_list_labelled_snapshots(const struct spuff_provider *provider,
                                                  const struct spuff_cancel *cancel,
                                                  struct spuff_snapshots **out,
                                                  struct spuff_error **error);

/// Deletes a snapshot and all its data. Succeeds if it no longer exists.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_delete_snapshot(const struct spuff_provider *provider,
                                          const char *id,
                                          const struct spuff_cancel *cancel,
                                          struct spuff_error **error);

/// Returns the instance made under a key, by this process or another. The key is that of an
/// SPUFF_UNKNOWN_OUTCOME or an idempotency key. Returns NULL only when it is certain that there is
/// none; if lists lag, only after the longest lag has passed. *out is NULL, with SPUFF_OK, if there
/// is none. The caller owns *out.
///
/// Errors: SPUFF_UNKNOWN_OUTCOME when the API cannot be reached; SPUFF_NOT_SUPPORTED if the
/// provider has no such lookup.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_resolve(const struct spuff_provider *provider,
                                  const char *key,
                                  const struct spuff_cancel *cancel,
                                  struct spuff_instance **out,
                                  struct spuff_error **error);

/// Returns the snapshot made under the key of an SPUFF_UNKNOWN_OUTCOME, as spuff_provider_resolve.
/// *out is NULL, with SPUFF_OK, if there is none. The caller owns *out.
///
/// Errors: as spuff_provider_resolve.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_resolve_snapshot(const struct spuff_provider *provider,
                                           const char *key,
                                           const struct spuff_cancel *cancel,
                                           struct spuff_snapshot **out,
                                           struct spuff_error **error);

/// Adds labels to an instance, or replaces their values; other labels are kept. `keys` and `values`
/// are `count` each.
///
/// Errors: SPUFF_NOT_FOUND when the instance does not exist; SPUFF_NOT_SUPPORTED if the provider
/// cannot change labels.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_set_labels(const struct spuff_provider *provider,
                                     const char *id,
                                     const char *const *keys,
                                     const char *const *values,
                                     size_t count,
                                     const struct spuff_cancel *cancel,
                                     struct spuff_error **error);

/// Lists the account's SSH keys, as values that spuff_request_add_ssh_key accepts. The caller owns
/// *out.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_get_ssh_keys(const struct spuff_provider *provider,
                                       const struct spuff_cancel *cancel,
                                       struct spuff_strings **out,
                                       struct spuff_error **error);

/// Returns the hourly list price of an instance, without tax. It excludes separately billed items:
/// a public IPv4 address, traffic, snapshots. If `region` is empty and the provider has no default,
/// returns the price of the most expensive region. The list is cached for one hour. The caller owns
/// *out.
///
/// Errors: SPUFF_INVALID_CONFIG when the list lacks the size, or lacks it in that region;
/// SPUFF_NOT_SUPPORTED if the API has no price list.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_hourly_price(const struct spuff_provider *provider,
                                       const char *region,
                                       const char *size,
                                       const struct spuff_cancel *cancel,
                                       struct spuff_price **out,
                                       struct spuff_error **error);

/* ---- `spuff_instance` and `spuff_instances` ---- */

/// The state of an instance.
enum spuff_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /// A word of the cloud's that has no place below; spuff_instance_status_word gives it.
    SPUFF_STATUS_UNKNOWN = 0,
    /// Being created or started.
    SPUFF_STATUS_NEW = 1,
    /// Running.
    SPUFF_STATUS_ACTIVE = 2,
    /// Stopped, or stopping. It is still paid for.
    SPUFF_STATUS_OFF = 3,
    /// Archived or terminated.
    SPUFF_STATUS_ARCHIVE = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum spuff_status spuff_status;
#else
typedef int32_t spuff_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// An instance. Owned by the caller that got it, freed with spuff_instance_free, unless it was got
/// from a list, which owns it. What its getters give lives as long as it does, and no setter is
/// called. Any thread may read it.
struct spuff_instance;

/// A list of instances. Owned by the caller that got it, freed with spuff_instances_free, with the
/// instances in it: a pointer to one of them stays good until then, also while more are added. Any
/// thread may read it.
struct spuff_instances;

/// Frees an instance's handle and sets *instance to NULL; the instance itself keeps running. NULL,
/// or a pointer to NULL, is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_instance_free(struct spuff_instance **instance);

/// Copies an instance's handle, such as one that a list or a callback's progress owns. The caller
/// owns it. NULL for NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
struct spuff_instance *spuff_instance_clone(const struct spuff_instance *instance);

/// The provider's id. NULL for NULL, as all getters here that give text.
SPUFF_EXPORTED
const char *spuff_instance_id(const struct spuff_instance *instance);

/// The name.
SPUFF_EXPORTED
const char *spuff_instance_name(const struct spuff_instance *instance);

/// The region or location; empty if it is unknown.
SPUFF_EXPORTED
const char *spuff_instance_region(const struct spuff_instance *instance);

/// The size or type; empty if it is unknown.
SPUFF_EXPORTED
const char *spuff_instance_size(const struct spuff_instance *instance);

/// The public address, IPv4 before IPv6; `0.0.0.0` until there is one.
SPUFF_EXPORTED
const char *spuff_instance_ip(const struct spuff_instance *instance);

/// The state. SPUFF_STATUS_UNKNOWN for NULL.
SPUFF_EXPORTED
spuff_status spuff_instance_status(const struct spuff_instance *instance);

/// The state in a word: `new`, `active`, `off`, `archive`, or the cloud's own.
SPUFF_EXPORTED
const char *spuff_instance_status_word(const struct spuff_instance *instance);

/// Whether it is active and has a public address. false for NULL.
SPUFF_EXPORTED
bool spuff_instance_is_ready(const struct spuff_instance *instance);

/// Whether a create returned an existing instance that its idempotency key had made before. false
/// if the instance was only read, and for NULL.
SPUFF_EXPORTED
bool spuff_instance_adopted(const struct spuff_instance *instance);

/// When it was created, in milliseconds since 1970 (UTC). 0 for NULL.
SPUFF_EXPORTED
int64_t spuff_instance_created_at_ms(const struct spuff_instance *instance);

/// When its lease ends, in milliseconds since 1970 (UTC); -1 if it has none.
SPUFF_EXPORTED
int64_t spuff_instance_expires_at_ms(const struct spuff_instance *instance);

/// How many labels it has. 0 for NULL.
SPUFF_EXPORTED
size_t spuff_instance_label_count(const struct spuff_instance *instance);

/// The key of a label, in the order of the keys. NULL past the end.
SPUFF_EXPORTED
const char *spuff_instance_label_key(const struct spuff_instance *instance, size_t index);

/// The value of that label. NULL past the end.
SPUFF_EXPORTED
const char *spuff_instance_label_value(const struct spuff_instance *instance, size_t index);

/// The value of the label of that key. NULL if there is none.
SPUFF_EXPORTED
const char *spuff_instance_label(const struct spuff_instance *instance, const char *key);

/// How many addresses it has, public and private. 0 for NULL.
SPUFF_EXPORTED
size_t spuff_instance_address_count(const struct spuff_instance *instance);

/// One of these addresses. NULL past the end.
SPUFF_EXPORTED
const char *spuff_instance_address(const struct spuff_instance *instance, size_t index);

/// Whether that address can be reached from the internet. false past the end.
SPUFF_EXPORTED
bool spuff_instance_address_is_public(const struct spuff_instance *instance, size_t index);

/// Makes an instance's handle, for a provider written in C to return: of that id, in the state
/// `new`, created in 1970, as long as nothing else is set. The caller owns *out, until a provider's
/// function has returned it.
///
/// Errors, here and in the setters: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8 and
/// for an empty id.
SPUFF_EXPORTED
spuff_code spuff_instance_new(const char *id,
                              struct spuff_instance **out,
                              struct spuff_error **error);

/// Sets the name, the region and the size of an instance's handle.
SPUFF_EXPORTED
spuff_code spuff_instance_describe(struct spuff_instance *instance,
                                   const char *name,
                                   const char *region,
                                   const char *size,
                                   struct spuff_error **error);

/// Sets the state of an instance's handle by a word: `new`, `active`, `running`, `off`, `stopped`,
/// `archive` …; one that is not known is kept as it is.
SPUFF_EXPORTED
spuff_code spuff_instance_set_status(struct spuff_instance *instance,
                                     const char *word,
                                     struct spuff_error **error);

/// Sets when the instance was created, in milliseconds since 1970 (UTC).
///
/// Errors: also SPUFF_INVALID_CONFIG for a time beyond 262,000 years.
SPUFF_EXPORTED
spuff_code spuff_instance_set_created_at_ms(struct spuff_instance *instance,
                                            int64_t unix_ms,
                                            struct spuff_error **error);

/// Sets whether a create returned an existing instance that its idempotency key had made before: a
/// rollback does not destroy it. false by default.
SPUFF_EXPORTED
spuff_code spuff_instance_set_adopted(struct spuff_instance *instance,
                                      bool adopted,
                                      struct spuff_error **error);

/// Adds a label to an instance's handle.
SPUFF_EXPORTED
spuff_code spuff_instance_add_label(struct spuff_instance *instance,
                                    const char *key,
                                    const char *value,
                                    struct spuff_error **error);

/// Adds an address, IPv4 or IPv6, to an instance's handle. The first public one, IPv4 before IPv6,
/// is the one it is reached at.
///
/// Errors: also SPUFF_INVALID_CONFIG for text that is no address.
SPUFF_EXPORTED
spuff_code spuff_instance_add_address(struct spuff_instance *instance,
                                      const char *ip,
                                      bool is_public,
                                      struct spuff_error **error);

/// Frees a list and sets *instances to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
SPUFF_EXPORTED
void spuff_instances_free(struct spuff_instances **instances);

/// How many instances there are. 0 for NULL.
SPUFF_EXPORTED
size_t spuff_instances_count(const struct spuff_instances *instances);

/// One of them, which the list owns. NULL past the end.
SPUFF_EXPORTED
const struct spuff_instance *spuff_instances_get(const struct spuff_instances *instances,
                                                 size_t index);

/// Adds an instance to a list that a provider written in C was given to fill, and sets *instance to
/// NULL: the list owns it.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
SPUFF_EXPORTED
spuff_code spuff_instances_push(struct spuff_instances *instances,
                                struct spuff_instance **instance,
                                struct spuff_error **error);

/* ---- `spuff_error`: why a function failed, with all details ---- */

/// Why a function failed. Owned by the caller that got it, freed with spuff_error_free; what its
/// getters give lives as long as it does, and no setter is called. Any thread may read it; one at a
/// time may change it.
struct spuff_error;

/// Frees an error and sets *error to NULL. NULL, or a pointer to NULL, is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_error_free(struct spuff_error **error);

/// Makes a copy of an error, such as of one that outcomes own. The caller owns it. NULL for NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
struct spuff_error *spuff_error_clone(const struct spuff_error *error);

/// What the caller should do, in one sentence: more specific than spuff_code_advice if more is
/// known. NULL for NULL.
SPUFF_EXPORTED
const char *spuff_error_advice(const struct spuff_error *error);

/// The kind. SPUFF_OK for NULL.
SPUFF_EXPORTED
spuff_code spuff_error_code(const struct spuff_error *error);

/// The whole error message, for a person. NULL for NULL.
SPUFF_EXPORTED
const char *spuff_error_text(const struct spuff_error *error);

/// The failure, without the content of other fields; the cloud's message, if there is one. NULL for
/// NULL.
SPUFF_EXPORTED
const char *spuff_error_message(const struct spuff_error *error);

/// The provider's name. NULL if it is unknown.
SPUFF_EXPORTED
const char *spuff_error_provider(const struct spuff_error *error);

/// The HTTP status; 0 if there is none.
SPUFF_EXPORTED
uint16_t spuff_error_status(const struct spuff_error *error);

/// The cloud's own code, such as `uniqueness_error`. NULL if there is none.
SPUFF_EXPORTED
const char *spuff_error_cloud_code(const struct spuff_error *error);

/// The cloud's id of the request: what its support asks for. NULL if there is none.
SPUFF_EXPORTED
const char *spuff_error_request_id(const struct spuff_error *error);

/// Whether the same call may succeed later, and repeating it is safe. false for NULL.
SPUFF_EXPORTED
bool spuff_error_is_retryable(const struct spuff_error *error);

/// How many milliseconds the cloud asks to wait before a retry; -1 if it does not say.
SPUFF_EXPORTED
int64_t spuff_error_retry_after_ms(const struct spuff_error *error);

/// What does not exist, or would be too many: `instance`, `snapshot`, `image` … NULL for other
/// errors.
SPUFF_EXPORTED
const char *spuff_error_resource_type(const struct spuff_error *error);

/// The id that does not exist. NULL for other errors.
SPUFF_EXPORTED
const char *spuff_error_resource_id(const struct spuff_error *error);

/// The argument, or the field of a request or configuration, that cannot be used. NULL for other
/// errors.
SPUFF_EXPORTED
const char *spuff_error_field(const struct spuff_error *error);

/// What is not supported. NULL for other errors.
SPUFF_EXPORTED
const char *spuff_error_feature(const struct spuff_error *error);

/// The operation that did not finish, or whose outcome is unknown. NULL for other errors.
SPUFF_EXPORTED
const char *spuff_error_operation(const struct spuff_error *error);

/// How many milliseconds were spent on an operation that did not finish; -1 for other errors.
SPUFF_EXPORTED
int64_t spuff_error_elapsed_ms(const struct spuff_error *error);

/// The key to give to spuff_provider_resolve, of an outcome that is unknown. NULL for other errors.
SPUFF_EXPORTED
const char *spuff_error_key(const struct spuff_error *error);

/// How many ids there are of what may have been made, of an outcome that is unknown.
SPUFF_EXPORTED
size_t spuff_error_candidate_count(const struct spuff_error *error);

/// One of these ids. NULL past the end.
SPUFF_EXPORTED
const char *spuff_error_candidate(const struct spuff_error *error, size_t index);

/// The name of a provider that is unknown, or not part of this build. NULL for other errors.
SPUFF_EXPORTED
const char *spuff_error_name(const struct spuff_error *error);

/// How many names there are that would work, of a name that is unknown.
SPUFF_EXPORTED
size_t spuff_error_supported_count(const struct spuff_error *error);

/// One of these names. NULL past the end.
SPUFF_EXPORTED
const char *spuff_error_supported(const struct spuff_error *error, size_t index);

/// The id of the instance that the error is about. It may exist and cost money. NULL if none is
/// known.
SPUFF_EXPORTED
const char *spuff_error_instance_id(const struct spuff_error *error);

/// Whether that id is only the instance that the call was given: the error says nothing about the
/// state of that instance. false for NULL.
SPUFF_EXPORTED
bool spuff_error_instance_is_subject(const struct spuff_error *error);

/// For an error of spuff_provider_wait_ready: whether the instance of this id itself failed, is
/// gone, or did not become ready in time. Any other error is one of the poll and proves nothing
/// about the instance. false for NULL, and for text that is not UTF-8.
SPUFF_EXPORTED
bool spuff_error_is_instance_failure(const struct spuff_error *error, const char *instance_id);

/// For a failure after an instance was made, whether it still exists: 1 if so, 0 if it was
/// destroyed; -1 for other errors.
SPUFF_EXPORTED
int32_t spuff_error_instance_exists(const struct spuff_error *error);

/// Why that instance could not be destroyed, where that was tried. Owned by `error`. NULL if there
/// is nothing to report.
SPUFF_EXPORTED
const struct spuff_error *spuff_error_cleanup(const struct spuff_error *error);

/// For a failed placement, the outcome of each candidate. Owned by `error`. NULL for other errors.
SPUFF_EXPORTED
const struct spuff_attempts *spuff_error_attempts(const struct spuff_error *error);

/// The name of a code, such as `not_found`. Static; `unknown` for a number that is none.
SPUFF_EXPORTED
const char *spuff_code_name(int32_t code);

/// What the caller should do, in one sentence. Static; empty for a number that is none, and for
/// SPUFF_OK.
SPUFF_EXPORTED
const char *spuff_code_advice(int32_t code);

/// Makes an error, for a provider written in C to return. `code` is one of spuff_code but SPUFF_OK;
/// `message` says what went wrong. The caller owns *out, until a provider's function has returned
/// it.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8 and for a number that is no
/// code.
SPUFF_EXPORTED
spuff_code spuff_error_new(int32_t code,
                           const char *message,
                           struct spuff_error **out,
                           struct spuff_error **error);

/// Sets a text field of an error of the caller's: `provider`, `cloud_code`, `request_id`,
/// `resource_type`, `resource_id`, `field`, `feature`, `operation`, `key`, `name` or `instance_id`,
/// as the getters of these names give it; `candidate` and `supported` add one to those there are.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8 and for a name that is none of
/// these.
SPUFF_EXPORTED
spuff_code spuff_error_set_text(struct spuff_error *error, const char *name, const char *value);

/// Sets a number field of an error of the caller's: `status` (HTTP), `retryable` or
/// `instance_is_subject` (0 or 1), `retry_after_ms` or `elapsed_ms`.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, for a name that is none of these and for a number out of
/// its range.
SPUFF_EXPORTED
spuff_code spuff_error_set_number(struct spuff_error *error, const char *name, uint64_t value);

/* ---- `spuff_cancel`: cancels blocking calls, from any thread or at a deadline ---- */

/// Cancels the calls that it was given to. Owned by the caller that made it, freed with
/// spuff_cancel_free, also while calls that have it are in progress: they have a share of their
/// own. Any thread may use it at any time; that none cancels, asks or begins a call with it as it
/// is freed is the owner's to see to.
struct spuff_cancel;

/// A subscription to the end of a token. Owned by the caller that got it, freed with
/// spuff_notice_free, which ends it, also after the token has been freed. Any thread may free it.
struct spuff_notice;

/// Called once when a token is cancelled or its deadline has passed, on a thread of spuff's, where
/// it may block and call spuff.
typedef void (*spuff_cancel_callback)(void *user_data);

/// Makes a token that is cancelled by hand only. Never NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
struct spuff_cancel *spuff_cancel_new(void);

/// Makes a token that also ends calls `limit_ms` milliseconds from now, with SPUFF_TIMEOUT. Never
/// NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
struct spuff_cancel *spuff_cancel_with_deadline_ms(uint64_t limit_ms);

/// Frees a token and sets *cancel to NULL. Calls that have it go on. NULL, or a pointer to NULL, is
/// fine: twice is harmless.
SPUFF_EXPORTED
void spuff_cancel_free(struct spuff_cancel **cancel);

/// Cancels, for good: the calls that have the token return at once, with SPUFF_CANCELLED. Does not
/// block. NULL does nothing.
SPUFF_EXPORTED
void spuff_cancel_cancel(const struct spuff_cancel *cancel);

/// Whether it was cancelled, or its deadline has passed. false for NULL.
SPUFF_EXPORTED
bool spuff_cancel_is_cancelled(const struct spuff_cancel *cancel);

/// Waits until it is cancelled or its deadline has passed, `limit_ms` milliseconds at most; tells
/// whether it is. For providers written in C, which pause with it. With NULL it waits all that
/// time.
SPUFF_EXPORTED
bool spuff_cancel_wait(const struct spuff_cancel *cancel, uint64_t limit_ms);

/// Lets `callback` be called when a token is cancelled or its deadline passes: at once, where that
/// was before. For providers written in C that have to wake something of their own. The caller owns
/// *out. With NULL for the token nothing is ever told.
///
/// Errors: SPUFF_INVALID_CONFIG for a callback that is NULL; SPUFF_OTHER where spuff's thread
/// cannot be started.
SPUFF_EXPORTED
spuff_code spuff_cancel_notify(const struct spuff_cancel *cancel,
                               spuff_cancel_callback callback,
                               void *user_data,
                               struct spuff_notice **out,
                               struct spuff_error **error);

/// Frees a notice and sets *notice to NULL. The callback is not called any more, and `user_data`
/// may be freed: one that runs is waited for, unless this is called from inside it. NULL, or a
/// pointer to NULL, is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_notice_free(struct spuff_notice **notice);

/* ---- `spuff_progress` and `spuff_observer`: what a call sees on its way, and who is told ---- */

/// How far something is that a call waits for.
enum spuff_phase
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /// It goes on.
    SPUFF_PHASE_PENDING = 0,
    /// The cloud has accepted the create: there is an instance, and it is paid for.
    SPUFF_PHASE_ACCEPTED = 1,
    /// The instance is not ready yet.
    SPUFF_PHASE_BOOTING = 2,
    /// The instance is ready.
    SPUFF_PHASE_READY = 3,
    /// The instance is gone.
    SPUFF_PHASE_DESTROYED = 4,
    /// It has come to an end that was not wanted.
    SPUFF_PHASE_FAILED = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum spuff_phase spuff_phase;
#else
typedef int32_t spuff_phase;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// What a call that waits has seen on its way. It lives as long as the callback that is given it
/// runs.
struct spuff_progress {
    /// The size of this struct: fields are only ever added at its end.
    size_t size;
    /// The operation, such as `wait_ready`.
    const char *operation;
    /// The id of the instance, snapshot or action that it is about; empty while there is none.
    const char *id;
    /// The state, in words: `accepted`, `new`, `gone` …; where it has failed, why.
    const char *state;
    /// Milliseconds since the operation began.
    uint64_t elapsed_ms;
    /// How far it is: one of spuff_phase.
    int32_t phase;
    /// The phase as a word: `pending`, `accepted`, `booting`, `ready`, `destroyed` or `failed`.
    const char *phase_word;
    /// Of an operation on many instances, the position of this one in what the operation was given;
    /// else -1.
    int64_t index;
    /// Of an operation on many instances, the name of this one, where the operation was given
    /// names; else empty.
    const char *name;
    /// The instance, where this tells that it was accepted or is ready; else NULL. It lives as long
    /// as the rest.
    const struct spuff_instance *instance;
};

/// Who is told what a call sees on its way.
struct spuff_observer {
    /// The size of this struct: set it to sizeof(spuff_observer).
    size_t size;
    /// Called in order and never at the same time: by a call that blocks on the caller's thread, by
    /// one that was submitted on a thread of spuff's. It may call spuff. NULL: nothing is told.
    void (*progress)(void *user_data, const struct spuff_progress *progress);
    /// What `progress` is called with. Of a call that was submitted, it is used on threads of
    /// spuff's. It must live until a call that blocks has returned, or until the callback of one
    /// that was submitted is called.
    void *user_data;
};

/* ---- `spuff_snapshot` and `spuff_snapshots` ---- */

/// A snapshot of an instance. Owned by the caller that got it, freed with spuff_snapshot_free,
/// unless it was got from another handle, which owns it. What its getters give lives as long as it
/// does, and no setter is called. Any thread may read it.
struct spuff_snapshot;

/// A list of spuff_snapshot handles. Owned by the caller that got it, freed with
/// spuff_snapshots_free, with what is in it: a pointer to one of them stays good until then, also
/// while more are added. Any thread may read it.
struct spuff_snapshots;

/// Frees a handle and sets *snapshot to NULL; what it tells of stays. NULL, or a pointer to NULL,
/// is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_snapshot_free(struct spuff_snapshot **snapshot);

/// Makes a copy of a handle, such as of one that another owns. The caller owns it. NULL for NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
struct spuff_snapshot *spuff_snapshot_clone(const struct spuff_snapshot *snapshot);

/// The provider's id, as spuff_request_set_image, behind `snapshot:`, takes it.
SPUFF_EXPORTED
const char *spuff_snapshot_id(const struct spuff_snapshot *snapshot);

/// The name given at creation.
SPUFF_EXPORTED
const char *spuff_snapshot_name(const struct spuff_snapshot *snapshot);

/// The creation time, if the cloud reports it. In milliseconds since 1970 (UTC). -1 if there is
/// none.
SPUFF_EXPORTED
int64_t spuff_snapshot_created_at_ms(const struct spuff_snapshot *snapshot);

/// Its labels; only operations that say so read them. Here how many there are; 0 for NULL.
SPUFF_EXPORTED
size_t spuff_snapshot_label_count(const struct spuff_snapshot *snapshot);

/// The key of a label, in the order of the keys. NULL past the end.
SPUFF_EXPORTED
const char *spuff_snapshot_label_key(const struct spuff_snapshot *snapshot, size_t index);

/// The value of a label. NULL past the end.
SPUFF_EXPORTED
const char *spuff_snapshot_label_value(const struct spuff_snapshot *snapshot, size_t index);

/// All of it as JSON, which the handle owns, as spuff_snapshot_from_json reads it. NULL for NULL.
SPUFF_EXPORTED
const char *spuff_snapshot_to_json(const struct spuff_snapshot *snapshot);

/// Makes a handle from JSON. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8, and for what is no such JSON,
/// or has an empty id.
SPUFF_EXPORTED
spuff_code spuff_snapshot_from_json(const char *json,
                                    struct spuff_snapshot **out,
                                    struct spuff_error **error);

/// Makes a handle, for a provider written in C to return. The caller owns *out, until a provider's
/// function has returned it.
///
/// Errors, here and in the setters: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8 or
/// not what its field has, for a time beyond 262,000 years, and for an empty id.
SPUFF_EXPORTED
spuff_code spuff_snapshot_new(const char *id,
                              const char *name,
                              struct spuff_snapshot **out,
                              struct spuff_error **error);

/// Sets what spuff_snapshot_created_at_ms gives.
SPUFF_EXPORTED
spuff_code spuff_snapshot_set_created_at_ms(struct spuff_snapshot *snapshot,
                                            int64_t unix_ms,
                                            struct spuff_error **error);

/// Adds a label, or replaces its value.
SPUFF_EXPORTED
spuff_code spuff_snapshot_add_label(struct spuff_snapshot *snapshot,
                                    const char *key,
                                    const char *value,
                                    struct spuff_error **error);

/// Makes an empty list. Never NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
struct spuff_snapshots *spuff_snapshots_new(void);

/// Frees a list and sets *snapshots to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
SPUFF_EXPORTED
void spuff_snapshots_free(struct spuff_snapshots **snapshots);

/// How many there are. 0 for NULL.
SPUFF_EXPORTED
size_t spuff_snapshots_count(const struct spuff_snapshots *snapshots);

/// One of them, which the list owns. NULL past the end.
SPUFF_EXPORTED
const struct spuff_snapshot *spuff_snapshots_get(const struct spuff_snapshots *snapshots,
                                                 size_t index);

/// Adds one to a list that a provider written in C was given to fill, and sets *snapshot to NULL:
/// the list owns it.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
SPUFF_EXPORTED
spuff_code spuff_snapshots_push(struct spuff_snapshots *snapshots,
                                struct spuff_snapshot **snapshot,
                                struct spuff_error **error);

/* ---- `spuff_strings`: a list of strings ---- */

/// A list of strings. Owned by the caller that got it, freed with spuff_strings_free; its texts
/// live as long as it does. Any thread may read it.
struct spuff_strings;

/// Frees a list and sets *strings to NULL. NULL, or a pointer to NULL, is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_strings_free(struct spuff_strings **strings);

/// The number of entries. 0 for NULL.
SPUFF_EXPORTED
size_t spuff_strings_count(const struct spuff_strings *strings);

/// One of them. NULL past the end.
SPUFF_EXPORTED
const char *spuff_strings_get(const struct spuff_strings *strings, size_t index);

/// Adds a copy of a text, for a provider written in C that was given a list to fill.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, and for text that is not UTF-8.
SPUFF_EXPORTED
spuff_code spuff_strings_push(struct spuff_strings *strings,
                              const char *value,
                              struct spuff_error **error);

/* ---- The operations that call back: each returns at once, and its callback is called once ---- */

/// Called with an instance, which the callback owns: NULL if there is none. All else as
/// spuff_done_callback.
typedef void (*spuff_instance_callback)(void *user_data,
                                        spuff_code code,
                                        struct spuff_instance *instance,
                                        struct spuff_error *error);

/// Called with what was reaped, which the callback owns. All else as spuff_done_callback.
typedef void (*spuff_reaped_callback)(void *user_data,
                                      spuff_code code,
                                      struct spuff_reaped *reaped,
                                      struct spuff_error *error);

/// Called with instances, which the callback owns. All else as spuff_done_callback.
typedef void (*spuff_instances_callback)(void *user_data,
                                         spuff_code code,
                                         struct spuff_instances *instances,
                                         struct spuff_error *error);

/// Called with a time, in milliseconds since 1970 (UTC); -1 if there is none. All else as
/// spuff_done_callback.
typedef void (*spuff_time_callback)(void *user_data,
                                    spuff_code code,
                                    int64_t unix_ms,
                                    struct spuff_error *error);

/// Called at the end of a call without a result. Every callback is called once, on a thread of
/// spuff's, where it may block and call spuff; not at all when the submit itself has failed.
/// `error` is NULL with SPUFF_OK; else the callback owns it.
typedef void (*spuff_done_callback)(void *user_data, spuff_code code, struct spuff_error *error);

/// Called with a spuff_snapshot, which the callback owns: NULL if there is none. All else as
/// spuff_done_callback.
typedef void (*spuff_snapshot_callback)(void *user_data,
                                        spuff_code code,
                                        struct spuff_snapshot *snapshot,
                                        struct spuff_error *error);

/// Called with spuff_snapshots, which the callback owns. All else as spuff_done_callback.
typedef void (*spuff_snapshots_callback)(void *user_data,
                                         spuff_code code,
                                         struct spuff_snapshots *snapshots,
                                         struct spuff_error *error);

/// Called with strings, which the callback owns. All else as spuff_done_callback.
typedef void (*spuff_strings_callback)(void *user_data,
                                       spuff_code code,
                                       struct spuff_strings *strings,
                                       struct spuff_error *error);

/// Called with a price, which the callback owns. All else as spuff_done_callback.
typedef void (*spuff_price_callback)(void *user_data,
                                     spuff_code code,
                                     struct spuff_price *price,
                                     struct spuff_error *error);

/// As spuff_provider_create_and_wait; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_create_and_wait_submit(const struct spuff_provider *provider,
                                                 const struct spuff_request *request,
                                                 int32_t on_failure,
                                                 const struct spuff_cancel *cancel,
                                                 const struct spuff_observer *observer,
                                                 spuff_instance_callback callback,
                                                 void *user_data,
                                                 struct spuff_error **error);

/// As spuff_provider_reap; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_reap_submit(const struct spuff_provider *provider,
                                      const struct spuff_reap *which,
                                      const struct spuff_cancel *cancel,
                                      const struct spuff_observer *observer,
                                      spuff_reaped_callback callback,
                                      void *user_data,
                                      struct spuff_error **error);

/// As spuff_provider_list_owned; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_list_owned_submit(const struct spuff_provider *provider,
                                            const char *owner,
                                            const struct spuff_cancel *cancel,
                                            spuff_instances_callback callback,
                                            void *user_data,
                                            struct spuff_error **error);

/// As spuff_provider_renew; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_renew_submit(const struct spuff_provider *provider,
                                       const char *id,
                                       uint64_t ttl_seconds,
                                       const struct spuff_cancel *cancel,
                                       spuff_time_callback callback,
                                       void *user_data,
                                       struct spuff_error **error);

/// As spuff_settled; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_settled_submit(const struct spuff_cancel *cancel,
                                spuff_done_callback callback,
                                void *user_data,
                                struct spuff_error **error);

/// As spuff_provider_create_instance; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_create_instance_submit(const struct spuff_provider *provider,
                                                 const struct spuff_request *request,
                                                 const struct spuff_cancel *cancel,
                                                 spuff_instance_callback callback,
                                                 void *user_data,
                                                 struct spuff_error **error);

/// As spuff_provider_destroy_instance; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_destroy_instance_submit(const struct spuff_provider *provider,
                                                  const char *id,
                                                  const struct spuff_cancel *cancel,
                                                  spuff_done_callback callback,
                                                  void *user_data,
                                                  struct spuff_error **error);

/// As spuff_provider_get_instance; `callback` gets the outcome, with NULL if there is none.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_get_instance_submit(const struct spuff_provider *provider,
                                              const char *id,
                                              const struct spuff_cancel *cancel,
                                              spuff_instance_callback callback,
                                              void *user_data,
                                              struct spuff_error **error);

/// As spuff_provider_list_instances; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_list_instances_submit(const struct spuff_provider *provider,
                                                const struct spuff_cancel *cancel,
                                                spuff_instances_callback callback,
                                                void *user_data,
                                                struct spuff_error **error);

/// As spuff_provider_wait_ready; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_wait_ready_submit(const struct spuff_provider *provider,
                                            const char *id,
                                            const struct spuff_cancel *cancel,
                                            const struct spuff_observer *observer,
                                            spuff_instance_callback callback,
                                            void *user_data,
                                            struct spuff_error **error);

/// As spuff_provider_create_snapshot; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_create_snapshot_submit(const struct spuff_provider *provider,
                                                 const char *instance_id,
                                                 const char *name,
                                                 const struct spuff_cancel *cancel,
                                                 const struct spuff_observer *observer,
                                                 spuff_snapshot_callback callback,
                                                 void *user_data,
                                                 struct spuff_error **error);

/// As spuff_provider_list_snapshots; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_list_snapshots_submit(const struct spuff_provider *provider,
                                                const struct spuff_cancel *cancel,
                                                spuff_snapshots_callback callback,
                                                void *user_data,
                                                struct spuff_error **error);

/// As spuff_provider_list_labelled_snapshots; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_list_labelled_snapshots_submit(const struct spuff_provider *provider,
                                                         const struct spuff_cancel *cancel,
                                                         spuff_snapshots_callback callback,
                                                         void *user_data,
                                                         struct spuff_error **error);

/// As spuff_provider_delete_snapshot; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_delete_snapshot_submit(const struct spuff_provider *provider,
                                                 const char *id,
                                                 const struct spuff_cancel *cancel,
                                                 spuff_done_callback callback,
                                                 void *user_data,
                                                 struct spuff_error **error);

/// As spuff_provider_resolve; `callback` gets the outcome, with NULL if there is none.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_resolve_submit(const struct spuff_provider *provider,
                                         const char *key,
                                         const struct spuff_cancel *cancel,
                                         spuff_instance_callback callback,
                                         void *user_data,
                                         struct spuff_error **error);

/// As spuff_provider_resolve_snapshot; `callback` gets the outcome, with NULL if there is none.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_resolve_snapshot_submit(const struct spuff_provider *provider,
                                                  const char *key,
                                                  const struct spuff_cancel *cancel,
                                                  spuff_snapshot_callback callback,
                                                  void *user_data,
                                                  struct spuff_error **error);

/// As spuff_provider_set_labels; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_set_labels_submit(const struct spuff_provider *provider,
                                            const char *id,
                                            const char *const *keys,
                                            const char *const *values,
                                            size_t count,
                                            const struct spuff_cancel *cancel,
                                            spuff_done_callback callback,
                                            void *user_data,
                                            struct spuff_error **error);

/// As spuff_provider_get_ssh_keys; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_get_ssh_keys_submit(const struct spuff_provider *provider,
                                              const struct spuff_cancel *cancel,
                                              spuff_strings_callback callback,
                                              void *user_data,
                                              struct spuff_error **error);

/// As spuff_provider_hourly_price; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_hourly_price_submit(const struct spuff_provider *provider,
                                              const char *region,
                                              const char *size,
                                              const struct spuff_cancel *cancel,
                                              spuff_price_callback callback,
                                              void *user_data,
                                              struct spuff_error **error);

/* ---- The operations on many instances, in their two forms ---- */

/// What happens to the instances of a fleet when one of them fails. Nothing is destroyed for one
/// that could not be polled: its error carries its id. What was found by the key of its request, as
/// spuff_instance_adopted reports, is left by all of these.
enum spuff_rollback
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /// Those that were made and do not become ready are destroyed, the others are left.
    SPUFF_ROLLBACK_DESTROY_FAILED = 0,
    /// All are left as they are. The error of each that has failed carries its id, if it has one.
    SPUFF_ROLLBACK_KEEP = 1,
    /// All that were made are destroyed, and no more are made.
    SPUFF_ROLLBACK_DESTROY_ALL = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum spuff_rollback spuff_rollback;
#else
typedef int32_t spuff_rollback;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// How a fleet is made. All zero but the size is the default of each.
struct spuff_fleet_options {
    /// The size of this struct: set it to sizeof(spuff_fleet_options).
    size_t size;
    /// How many creates run at once; 0 is the default, 16. Waits are not counted.
    size_t concurrency;
    /// What happens to the others when one fails: one of spuff_rollback.
    int32_t on_failure;
    /// Whether each instance is waited for until it is ready; else it need only be accepted.
    bool wait_ready;
};

/// Called with the outcomes of an operation on many instances, which the callback owns. All else as
/// spuff_done_callback.
typedef void (*spuff_outcomes_callback)(void *user_data,
                                        spuff_code code,
                                        struct spuff_outcomes *outcomes,
                                        struct spuff_error *error);

/// Creates `count` instances at once, and waits for them where the options say so. `options` and
/// `observer` may be NULL. The caller owns *out: an outcome for each request, in their order. The
/// result is SPUFF_OK also when some, or all, have failed: spuff_outcomes_error has the reasons. A
/// create that the cloud refuses because of its rate limit is retried.
///
/// When the call is cancelled, no more are made, and all that were made are destroyed in the
/// background, but those that spuff_request_set_on_cancel keeps; see spuff_settled.
///
/// Errors: SPUFF_INVALID_CONFIG before anything was sent. In the outcomes: those of
/// spuff_provider_create_instance and, after an instance exists, those of
/// spuff_provider_wait_ready; spuff_error_instance_exists reports whether the instance exists. Of a
/// fleet that is destroyed because one has failed, the others are SPUFF_CANCELLED.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_create_instances(const struct spuff_provider *provider,
                                           const struct spuff_request *const *requests,
                                           size_t count,
                                           const struct spuff_fleet_options *options,
                                           const struct spuff_cancel *cancel,
                                           const struct spuff_observer *observer,
                                           struct spuff_outcomes **out,
                                           struct spuff_error **error);

/// As spuff_provider_create_instances; `callback` gets the outcomes.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_create_instances_submit(const struct spuff_provider *provider,
                                                  const struct spuff_request *const *requests,
                                                  size_t count,
                                                  const struct spuff_fleet_options *options,
                                                  const struct spuff_cancel *cancel,
                                                  const struct spuff_observer *observer,
                                                  spuff_outcomes_callback callback,
                                                  void *user_data,
                                                  struct spuff_error **error);

/// Waits for `count` instances at once, as spuff_provider_wait_ready for each. The caller owns
/// *out: an outcome for each id, in their order; the result is SPUFF_OK also when some, or all,
/// have failed. `observer` may be NULL; with one, this is how instances are watched: it is called
/// with the progress of each, and its end, as it comes.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL and for text that is not UTF-8. In the outcomes: those of
/// spuff_provider_wait_ready.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_wait_ready_many(const struct spuff_provider *provider,
                                          const char *const *ids,
                                          size_t count,
                                          const struct spuff_cancel *cancel,
                                          const struct spuff_observer *observer,
                                          struct spuff_outcomes **out,
                                          struct spuff_error **error);

/// As spuff_provider_wait_ready_many; `callback` gets the outcomes. With an observer, instances are
/// watched without a thread.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_wait_ready_many_submit(const struct spuff_provider *provider,
                                                 const char *const *ids,
                                                 size_t count,
                                                 const struct spuff_cancel *cancel,
                                                 const struct spuff_observer *observer,
                                                 spuff_outcomes_callback callback,
                                                 void *user_data,
                                                 struct spuff_error **error);

/// Destroys `count` instances, `concurrency` at once: 0 is the default, 16. Those that are already
/// gone count as destroyed. The caller owns *out: an outcome for each id, in their order, without
/// an instance; the result is SPUFF_OK also when some, or all, have failed. `observer` may be NULL.
/// When the call is cancelled, no more are destroyed.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL and for text that is not UTF-8. In the outcomes: those of
/// spuff_provider_destroy_instance; such an instance still exists and costs money.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_destroy_instances(const struct spuff_provider *provider,
                                            const char *const *ids,
                                            size_t count,
                                            size_t concurrency,
                                            const struct spuff_cancel *cancel,
                                            const struct spuff_observer *observer,
                                            struct spuff_outcomes **out,
                                            struct spuff_error **error);

/// As spuff_provider_destroy_instances; `callback` gets the outcomes.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_provider_destroy_instances_submit(const struct spuff_provider *provider,
                                                   const char *const *ids,
                                                   size_t count,
                                                   size_t concurrency,
                                                   const struct spuff_cancel *cancel,
                                                   const struct spuff_observer *observer,
                                                   spuff_outcomes_callback callback,
                                                   void *user_data,
                                                   struct spuff_error **error);

/* ---- `spuff_outcomes`: the outcomes of an operation on many instances ---- */

/// The outcomes of an operation on many instances, in the order of its arguments. Owned by the
/// caller that got it, freed with spuff_outcomes_free, with the instances and errors in it. Any
/// thread may read it.
struct spuff_outcomes;

/// Frees the outcomes and sets *outcomes to NULL; the instances themselves keep running. NULL, or a
/// pointer to NULL, is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_outcomes_free(struct spuff_outcomes **outcomes);

/// The number of outcomes: one for each argument. 0 for NULL.
SPUFF_EXPORTED
size_t spuff_outcomes_count(const struct spuff_outcomes *outcomes);

/// The instance of one of them, which the outcomes own. NULL where there is an error, of
/// spuff_provider_destroy_instances, and past the end.
SPUFF_EXPORTED
const struct spuff_instance *spuff_outcomes_instance(const struct spuff_outcomes *outcomes,
                                                     size_t index);

/// Of spuff_place_instances, where that instance is made, and what was tried before; the outcomes
/// own it. NULL where there is an error, of other operations, and past the end.
SPUFF_EXPORTED
const struct spuff_placed *spuff_outcomes_placed(const struct spuff_outcomes *outcomes,
                                                 size_t index);

/// Why one of them has failed, which the outcomes own. NULL where it has not, and past the end.
SPUFF_EXPORTED
const struct spuff_error *spuff_outcomes_error(const struct spuff_outcomes *outcomes, size_t index);

/* ---- `spuff_reap` and `spuff_reaped`: destroying what is expired, old, or of an owner ---- */

/// The filter of spuff_provider_reap: it destroys the managed resources that match every condition.
/// Owned by the caller that made it, freed with spuff_reap_free. One thread at a time may change
/// it.
struct spuff_reap;

/// The results of spuff_provider_reap. Owned by the caller that got it, freed with
/// spuff_reaped_free; its texts and errors live as long as it does. Any thread may read it.
struct spuff_reaped;

/// Makes a filter without conditions. Never NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
struct spuff_reap *spuff_reap_new(void);

/// Frees a filter and sets *reap to NULL. NULL, or a pointer to NULL, is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_reap_free(struct spuff_reap **reap);

/// Only resources whose lease has expired.
///
/// Errors, here and in the other setters: SPUFF_INVALID_CONFIG for NULL and for text that is not
/// UTF-8.
SPUFF_EXPORTED
spuff_code spuff_reap_set_expired(struct spuff_reap *reap, struct spuff_error **error);

/// Only resources that are older than this, leased or not.
SPUFF_EXPORTED
spuff_code spuff_reap_set_older_than_seconds(struct spuff_reap *reap,
                                             uint64_t seconds,
                                             struct spuff_error **error);

/// Only resources of an owner.
SPUFF_EXPORTED
spuff_code spuff_reap_set_owner(struct spuff_reap *reap,
                                const char *owner,
                                struct spuff_error **error);

/// Only reports what would be destroyed.
SPUFF_EXPORTED
spuff_code spuff_reap_set_dry_run(struct spuff_reap *reap,
                                  bool dry_run,
                                  struct spuff_error **error);

/// How long to wait for the confirmation that what was destroyed is gone; five minutes by default.
SPUFF_EXPORTED
spuff_code spuff_reap_set_confirm_within_ms(struct spuff_reap *reap,
                                            uint64_t limit_ms,
                                            struct spuff_error **error);

/// Frees the results and sets *reaped to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
SPUFF_EXPORTED
void spuff_reaped_free(struct spuff_reaped **reaped);

/// The number of results. 0 for NULL.
SPUFF_EXPORTED
size_t spuff_reaped_count(const struct spuff_reaped *reaped);

/// What one of them is: `instance` or `snapshot`. NULL past the end, as the next ones.
SPUFF_EXPORTED
const char *spuff_reaped_kind(const struct spuff_reaped *reaped, size_t index);

/// Its id.
SPUFF_EXPORTED
const char *spuff_reaped_id(const struct spuff_reaped *reaped, size_t index);

/// Its name.
SPUFF_EXPORTED
const char *spuff_reaped_name(const struct spuff_reaped *reaped, size_t index);

/// Its owner. NULL also where it has none.
SPUFF_EXPORTED
const char *spuff_reaped_owner(const struct spuff_reaped *reaped, size_t index);

/// The end of its lease, in milliseconds since 1970 (UTC); -1 if it has none.
SPUFF_EXPORTED
int64_t spuff_reaped_expires_at_ms(const struct spuff_reaped *reaped, size_t index);

/// Whether it was destroyed and confirmed gone. false also in a dry run.
SPUFF_EXPORTED
bool spuff_reaped_is_gone(const struct spuff_reaped *reaped, size_t index);

/// Why it may still exist. Owned by the results. NULL where it is gone, and in a dry run.
SPUFF_EXPORTED
const struct spuff_error *spuff_reaped_error(const struct spuff_reaped *reaped, size_t index);

/* ---- `spuff_price`: the hourly price of an instance ---- */

/// The hourly price of an instance, exactly. Owned by the caller that got it, freed with
/// spuff_price_free, unless it was got from a log of attempts, which owns it. Any thread may read
/// it.
struct spuff_price;

/// Makes a price from words such as `0.0056 EUR`, for a provider written in C to return. The caller
/// owns *out, until a provider's function has returned it.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, and for text that is no price.
SPUFF_EXPORTED
spuff_code spuff_price_new(const char *words, struct spuff_price **out, struct spuff_error **error);

/// Frees a price and sets *price to NULL. NULL, or a pointer to NULL, is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_price_free(struct spuff_price **price);

/// Millionths of the currency's unit: 5600 are 0.0056 euros. 0 for NULL.
SPUFF_EXPORTED
uint64_t spuff_price_micros(const struct spuff_price *price);

/// The currency, as ISO 4217 names it, such as `EUR`. NULL for NULL.
SPUFF_EXPORTED
const char *spuff_price_currency(const struct spuff_price *price);

/// The price in words, `0.0056 EUR`, as spuff_placement_add and spuff_placement_set_max_price take
/// it. NULL for NULL.
SPUFF_EXPORTED
const char *spuff_price_text(const struct spuff_price *price);

/// Whether the cloud says so, in its own list; else the caller does.
SPUFF_EXPORTED
bool spuff_price_is_listed(const struct spuff_price *price);

/* ---- `spuff_placement`: the candidates for an instance, best first, and a price ceiling ---- */

/// An ordered list of places where an instance may be made, and what it may cost. Owned by the
/// caller that made it, freed with spuff_placement_free; a call copies it. One thread at a time may
/// change it.
struct spuff_placement;

/// Makes a placement without candidates, whatever they cost. Never NULL.
SPUFF_EXPORTED SPUFF_MUST_USE
struct spuff_placement *spuff_placement_new(void);

/// Frees a placement and sets *placement to NULL; calls that have it go on. NULL, or a pointer to
/// NULL, is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_placement_free(struct spuff_placement **placement);

/// Adds a candidate, to be tried after those there are: a provider, a region (empty: the provider's
/// default) and a size. The provider's handle may be freed afterwards. `price` may be NULL: else it
/// is what an hour costs there, such as `0.0056 EUR`, for a provider that does not tell, or a price
/// of one's own. `image` may be NULL: else it is what the instance boots from there, as
/// spuff_request_set_image takes it, where the image of the request is another provider's.
///
/// Errors, here and in the setters: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8, and
/// for a price that is none.
SPUFF_EXPORTED
spuff_code spuff_placement_add(struct spuff_placement *placement,
                               const struct spuff_provider *provider,
                               const char *region,
                               const char *size,
                               const char *price,
                               const char *image,
                               struct spuff_error **error);

/// Sets the most that an hour may cost, such as `0.01 EUR`. Every price must be in that currency:
/// none is converted.
SPUFF_EXPORTED
spuff_code spuff_placement_set_max_price(struct spuff_placement *placement,
                                         const char *price,
                                         struct spuff_error **error);

/// Sets whether a candidate whose price is unknown is tried under a ceiling; not by default.
SPUFF_EXPORTED
spuff_code spuff_placement_set_allow_unknown_price(struct spuff_placement *placement,
                                                   bool allow,
                                                   struct spuff_error **error);

/* ---- `spuff_placed`: a placed instance ---- */

/// A placed instance. Owned by the caller that got it, freed with spuff_placed_free, unless it was
/// got from outcomes, which own it. Any thread may read it.
struct spuff_placed;

/// Frees what is known of the instance and sets *placed to NULL; the instance itself keeps running.
/// NULL, or a pointer to NULL, is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_placed_free(struct spuff_placed **placed);

/// The instance, which `placed` owns. NULL for NULL, as all getters here that give a pointer.
SPUFF_EXPORTED
const struct spuff_instance *spuff_placed_instance(const struct spuff_placed *placed);

/// The position of its candidate, in the order in which they were added. 0 for NULL.
SPUFF_EXPORTED
size_t spuff_placed_candidate(const struct spuff_placed *placed);

/// The outcome of each candidate up to that one, which `placed` owns.
SPUFF_EXPORTED
const struct spuff_attempts *spuff_placed_attempts(const struct spuff_placed *placed);

/* ---- `spuff_attempts`: the outcome of each candidate that was tried ---- */

/// The outcome of a candidate.
enum spuff_attempt_outcome
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /// What has no place below; spuff_attempts_outcome_word gives it.
    SPUFF_ATTEMPT_OUTCOME_UNKNOWN = 0,
    /// The instance was made there.
    SPUFF_ATTEMPT_OUTCOME_MADE = 1,
    /// There is no capacity, and nothing was made: the next one was tried.
    SPUFF_ATTEMPT_OUTCOME_FULL = 2,
    /// Not asked: another instance of the same call had found no capacity there.
    SPUFF_ATTEMPT_OUTCOME_KNOWN_FULL = 3,
    /// Not asked: it costs more than was allowed.
    SPUFF_ATTEMPT_OUTCOME_TOO_DEAR = 4,
    /// Not asked: what it costs is not known.
    SPUFF_ATTEMPT_OUTCOME_PRICE_UNKNOWN = 5,
    /// It failed in a way that ended the placement.
    SPUFF_ATTEMPT_OUTCOME_FAILED = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum spuff_attempt_outcome spuff_attempt_outcome;
#else
typedef int32_t spuff_attempt_outcome;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// The outcome of each candidate of a placement that was tried, in order. Owned by the spuff_placed
/// or the spuff_error that it was got from, and freed with that. Any thread may read it.
struct spuff_attempts;

/// The number of entries. 0 for NULL.
SPUFF_EXPORTED
size_t spuff_attempts_count(const struct spuff_attempts *attempts);

/// The position of its candidate, in the order in which they were added. 0 past the end.
SPUFF_EXPORTED
size_t spuff_attempts_candidate(const struct spuff_attempts *attempts, size_t index);

/// The provider's name. NULL past the end, as all getters here that give text.
SPUFF_EXPORTED
const char *spuff_attempts_provider(const struct spuff_attempts *attempts, size_t index);

/// The region, as the candidate names it.
SPUFF_EXPORTED
const char *spuff_attempts_region(const struct spuff_attempts *attempts, size_t index);

/// The size.
SPUFF_EXPORTED
const char *spuff_attempts_size(const struct spuff_attempts *attempts, size_t index);

/// The hourly price there, which the attempts own. NULL if it was not requested or is unknown, and
/// past the end.
SPUFF_EXPORTED
const struct spuff_price *spuff_attempts_price(const struct spuff_attempts *attempts, size_t index);

/// The outcome. SPUFF_ATTEMPT_OUTCOME_UNKNOWN past the end.
SPUFF_EXPORTED
spuff_attempt_outcome spuff_attempts_outcome(const struct spuff_attempts *attempts, size_t index);

/// The outcome as a word: `made`, `full`, `known_full`, `too_dear`, `price_unknown` or `failed`.
SPUFF_EXPORTED
const char *spuff_attempts_outcome_word(const struct spuff_attempts *attempts, size_t index);

/// The kind of its error. SPUFF_OK if there was none, and past the end.
SPUFF_EXPORTED
spuff_code spuff_attempts_code(const struct spuff_attempts *attempts, size_t index);

/// The outcome in words; empty if the instance was made.
SPUFF_EXPORTED
const char *spuff_attempts_message(const struct spuff_attempts *attempts, size_t index);

/// How many milliseconds it took. -1 past the end.
SPUFF_EXPORTED
int64_t spuff_attempts_elapsed_ms(const struct spuff_attempts *attempts, size_t index);

/// The whole attempt in words: what a person should read.
SPUFF_EXPORTED
const char *spuff_attempts_text(const struct spuff_attempts *attempts, size_t index);

/* ---- Placements: the operations in their two forms ---- */

/// Called with a placed instance, which the callback owns. All else as spuff_done_callback.
typedef void (*spuff_placed_callback)(void *user_data,
                                      spuff_code code,
                                      struct spuff_placed *placed,
                                      struct spuff_error *error);

/// Creates an instance at the first candidate that has capacity. The region and size of the request
/// are those of the candidate. The caller owns *out. `observer` may be NULL; with one, it is told
/// of each candidate that is passed over.
///
/// A candidate is left for SPUFF_CAPACITY and SPUFF_QUOTA_EXCEEDED alone, when it is certain that
/// nothing was made there. Under a ceiling, the prices of all candidates are asked for first: one
/// that costs more, or whose price is unknown, is not tried. When the call is cancelled, what it
/// made is destroyed in the background; see spuff_settled.
///
/// Errors: those of spuff_provider_create_instance, of whatever ended the placement; where no
/// candidate was left, SPUFF_CAPACITY if any was out of stock, else SPUFF_QUOTA_EXCEEDED if any was
/// at its limit, else SPUFF_INVALID_CONFIG of `max_price`. spuff_error_attempts reports the outcome
/// of each candidate. SPUFF_INVALID_CONFIG, before anything is made: of `candidates`, when there
/// are none; of `max_price`, when a price is in another currency; of `idempotency_key`, when there
/// are several candidates.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_place_instance(const struct spuff_placement *placement,
                                const struct spuff_request *request,
                                const struct spuff_cancel *cancel,
                                const struct spuff_observer *observer,
                                struct spuff_placed **out,
                                struct spuff_error **error);

/// As spuff_place_instance; `callback` gets the outcome.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_place_instance_submit(const struct spuff_placement *placement,
                                       const struct spuff_request *request,
                                       const struct spuff_cancel *cancel,
                                       const struct spuff_observer *observer,
                                       spuff_placed_callback callback,
                                       void *user_data,
                                       struct spuff_error **error);

/// Creates `count` instances, each at the first candidate that has capacity, as
/// spuff_provider_create_instances does with the same options: spuff_outcomes_placed tells where
/// each is. A candidate that was found full is not asked again for another instance of the same
/// call.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL. In the outcomes: those of spuff_place_instance, and of
/// spuff_provider_create_instances.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_place_instances(const struct spuff_placement *placement,
                                 const struct spuff_request *const *requests,
                                 size_t count,
                                 const struct spuff_fleet_options *options,
                                 const struct spuff_cancel *cancel,
                                 const struct spuff_observer *observer,
                                 struct spuff_outcomes **out,
                                 struct spuff_error **error);

/// As spuff_place_instances; `callback` gets the outcomes.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_place_instances_submit(const struct spuff_placement *placement,
                                        const struct spuff_request *const *requests,
                                        size_t count,
                                        const struct spuff_fleet_options *options,
                                        const struct spuff_cancel *cancel,
                                        const struct spuff_observer *observer,
                                        spuff_outcomes_callback callback,
                                        void *user_data,
                                        struct spuff_error **error);

/* ---- The log: its lines go to a callback ---- */

/// How important a line of the log is.
enum spuff_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /// Nothing is logged.
    SPUFF_LOG_LEVEL_OFF = 0,
    /// Something was lost, or costs money.
    SPUFF_LOG_LEVEL_ERROR = 1,
    /// Something did not go as it should.
    SPUFF_LOG_LEVEL_WARN = 2,
    /// What the operations do.
    SPUFF_LOG_LEVEL_INFO = 3,
    /// How they do it.
    SPUFF_LOG_LEVEL_DEBUG = 4,
    /// Everything.
    SPUFF_LOG_LEVEL_TRACE = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum spuff_log_level spuff_log_level;
#else
typedef int32_t spuff_log_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// Called with a line: its level, the module that logs, and the message with its fields, all of
/// which live as long as the call. It is called on any thread, in the middle of what is logged: it
/// must be quick, and must not call spuff's operations.
typedef void (*spuff_log_callback)(void *user_data,
                                   spuff_log_level level,
                                   const char *target,
                                   const char *message);

/// Gives the log from now on, of `level` (one of spuff_log_level) and what is more important, to
/// `callback` in place of the one before; NULL ends it. While nothing listens, the log costs
/// nothing. Any thread may call it. `user_data` is used by any thread, and must live until the
/// listening has been ended, or given to another: this returns when no call of the callback before
/// is in progress any more, so that its user data may be freed then. Called from inside a callback
/// it does not wait; then that callback's user data must live on until it has returned, and those
/// of others as well.
///
/// Errors: SPUFF_INVALID_CONFIG for a number that is no level; SPUFF_CONFLICT in a Rust program
/// that listens to the same log by itself.
SPUFF_EXPORTED
spuff_code spuff_log_listen(int32_t level,
                            spuff_log_callback callback,
                            void *user_data,
                            struct spuff_error **error);

/* ---- What this library is: its version and what is built into it ---- */

/// The version of the library, such as `0.1.0`. Static.
SPUFF_EXPORTED
const char *spuff_version(void);

/// Whether a part is built into this library: `digitalocean`, `hetzner`, `aws`, `docker`,
/// `simulator` or `conformance`. false for another name, and for NULL.
SPUFF_EXPORTED
bool spuff_has_feature(const char *name);

/* ---- Providers written in C: a table of functions becomes an entry of a registry ---- */

/// A provider written in C: one function for each operation.
///
/// Set `size` to sizeof(spuff_provider_vtable) and unimplemented functions to NULL;
/// `create_instance`, `destroy_instance`, `get_instance` and `list_instances` are required. The
/// table is copied.
///
/// The functions are called on threads of spuff's, several at once, and may block and call spuff;
/// `connect` on the thread that makes the provider. On spuff's threads the program's signals are
/// blocked, and so they are in programs that these start, unless the function sees to it. Their
/// inputs live as long as the call. Each returns SPUFF_OK, or a code with an error from
/// spuff_error_new in *error, which spuff frees; a result that it puts in *out is spuff's from
/// there on, also beside an error: an instance that was made before a failure is then destroyed or
/// kept, as the caller asked, and the error carries its id. A list is given to be filled. `cancel`
/// reports that the caller has left: a long function polls spuff_cancel_is_cancelled, pauses with
/// spuff_cancel_wait, or gets a callback from spuff_cancel_notify. An abandoned create runs to
/// completion, and its instance is destroyed or kept, as the request says. `disconnect`, and then
/// `drop`, are called before the free returns that lets go last, or on a thread of spuff's where
/// its background does.
struct spuff_provider_vtable {
    /// The size of this struct: functions are only ever added at its end.
    size_t size;
    /// What `connect` and `drop` are given; and the other functions as `self`, where there is no
    /// `connect`.
    void *user_data;
    /// Called once when nothing uses the table any more. May be NULL.
    void (*drop)(void *user_data);
    /// The most bytes of user data that an instance takes; 0 if it takes none.
    size_t max_user_data;
    /// The values of labels are not kept.
    bool drops_labels;
    /// Makes a provider from a configuration, in *self. NULL: there is one, `user_data`.
    int32_t (*connect)(void *user_data,
                       const struct spuff_config *config,
                       void **self_,
                       struct spuff_error **error);
    /// Ends what `connect` has made. May be NULL.
    void (*disconnect)(void *self_);
    /// Creates an instance and returns once the cloud has accepted it: it may still be booting. If
    /// the same idempotency key has already made an instance, returns that one, with `adopted` set.
    /// The instance carries the request's labels and `managed-by=spuff`. Set `adopted` on one that
    /// was found under its key: roll back, and the cleanup of abandoned creates, destroy only
    /// instances that are not adopted. spuff_instance_set_adopted sets it.
    int32_t (*create_instance)(void *self_,
                               const struct spuff_request *request,
                               const struct spuff_cancel *cancel,
                               struct spuff_instance **out,
                               struct spuff_error **error);
    /// Destroys an instance. Succeeds if it no longer exists; retries while it is locked, until
    /// `action_complete` has passed.
    int32_t (*destroy_instance)(void *self_,
                                const char *id,
                                const struct spuff_cancel *cancel,
                                struct spuff_error **error);
    /// Returns the instance, or NULL if it does not exist. Leaves *out NULL if there is none.
    int32_t (*get_instance)(void *self_,
                            const char *id,
                            const struct spuff_cancel *cancel,
                            struct spuff_instance **out,
                            struct spuff_error **error);
    /// Lists every instance that carries `managed-by=spuff`, from all pages. Fills the list.
    int32_t (*list_instances)(void *self_,
                              const struct spuff_cancel *cancel,
                              struct spuff_instances *list,
                              struct spuff_error **error);
    /// Waits until the instance is active and has a public address. Active means that the
    /// hypervisor has started it, not that SSH or cloud-init is ready. Retry transient errors, and
    /// keep errors of the instance apart from errors of the poll: spuff_provider_create_and_wait
    /// and fleets destroy an instance only for SPUFF_TIMEOUT, SPUFF_NOT_FOUND, SPUFF_CAPACITY,
    /// SPUFF_QUOTA_EXCEEDED, a SPUFF_CONFLICT that is not retryable, or another error that has its
    /// id as `instance_id` and is neither transient nor SPUFF_AUTHENTICATION. NULL: spuff polls
    /// `get_instance`.
    int32_t (*wait_ready)(void *self_,
                          const char *id,
                          const struct spuff_cancel *cancel,
                          struct spuff_instance **out,
                          struct spuff_error **error);
    /// Creates a snapshot and waits until it is usable. The snapshot carries `managed-by=spuff`:
    /// without it, no list has it. NULL: there are no snapshots.
    int32_t (*create_snapshot)(void *self_,
                               const char *instance_id,
                               const char *name,
                               const struct spuff_cancel *cancel,
                               struct spuff_snapshot **out,
                               struct spuff_error **error);
    /// Lists every snapshot that carries `managed-by=spuff`, from all pages, with its labels. Fills
    /// the list. NULL: the operation is not supported.
    int32_t (*list_snapshots)(void *self_,
                              const struct spuff_cancel *cancel,
                              struct spuff_snapshots *list,
                              struct spuff_error **error);
    /// Deletes a snapshot and all its data. Succeeds if it no longer exists. NULL: the operation is
    /// not supported.
    int32_t (*delete_snapshot)(void *self_,
                               const char *id,
                               const struct spuff_cancel *cancel,
                               struct spuff_error **error);
    /// Returns the instance made under a key, by this process or another. The key is that of an
    /// SPUFF_UNKNOWN_OUTCOME or an idempotency key. Returns NULL only when it is certain that there
    /// is none; if lists lag, only after the longest lag has passed. Leaves *out NULL if there is
    /// none. NULL: the operation is not supported.
    int32_t (*resolve)(void *self_,
                       const char *key,
                       const struct spuff_cancel *cancel,
                       struct spuff_instance **out,
                       struct spuff_error **error);
    /// Returns the snapshot made under the key of an SPUFF_UNKNOWN_OUTCOME, as `resolve`. Leaves
    /// *out NULL if there is none. NULL: the operation is not supported.
    int32_t (*resolve_snapshot)(void *self_,
                                const char *key,
                                const struct spuff_cancel *cancel,
                                struct spuff_snapshot **out,
                                struct spuff_error **error);
    /// Adds labels to an instance, or replaces their values; other labels are kept. There are
    /// `count` keys, and a value for each. NULL: the operation is not supported.
    int32_t (*set_labels)(void *self_,
                          const char *id,
                          const char *const *keys,
                          const char *const *values,
                          size_t count,
                          const struct spuff_cancel *cancel,
                          struct spuff_error **error);
    /// Lists the account's SSH keys, as values that spuff_request_add_ssh_key accepts. Fills the
    /// list. NULL: there are none.
    int32_t (*get_ssh_keys)(void *self_,
                            const struct spuff_cancel *cancel,
                            struct spuff_strings *list,
                            struct spuff_error **error);
    /// Returns the hourly list price of an instance, without tax. It excludes separately billed
    /// items: a public IPv4 address, traffic, snapshots. If `region` is empty and the provider has
    /// no default, returns the price of the most expensive region. The list is cached for one hour.
    /// spuff_price_new makes the price. NULL: the operation is not supported.
    int32_t (*hourly_price)(void *self_,
                            const char *region,
                            const char *size,
                            const struct spuff_cancel *cancel,
                            struct spuff_price **out,
                            struct spuff_error **error);
};

/// Adds a provider written in C to a registry, under its own name, in place of one that had it.
/// `summary` says what it is, in a line; NULL is the name. `vtable` is copied; its `drop` is called
/// when neither a registry nor a provider uses it any more, and also when this fails, unless the
/// table's size is too small to have one.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL, for an empty name, and for a table whose size or
/// functions are not enough.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_registry_register(const struct spuff_registry *registry,
                                   const char *name,
                                   const char *summary,
                                   const struct spuff_provider_vtable *vtable,
                                   struct spuff_error **error);

/* ---- `spuff_cloud`: simulated clouds ---- */

/// DigitalOcean, Hetzner Cloud and EC2 on the loopback interface of this process, for tests and
/// trials. Owned by the caller that started it, freed with spuff_cloud_free, which ends it. Any
/// thread may use it at any time.
struct spuff_cloud;

/// The clouds' true resources, whatever a client was told. Owned by the caller that got it, freed
/// with spuff_resources_free; its texts live as long as it does. Any thread may read it.
struct spuff_resources;

/// How simulated clouds are started. All zero is: in real time, on a free port, without limits,
/// with any token.
struct spuff_cloud_options {
    /// The size of this struct: set it to sizeof(spuff_cloud_options).
    size_t size;
    /// How many times faster than real time the clouds run; 0 is real time.
    double speed;
    /// The clouds' time stands still until spuff_cloud_advance_ms moves it.
    bool manual_clock;
    /// Answers more requests than the real cloud would as it does.
    bool rate_limits;
    /// The port on the loopback interface; 0 is a free one.
    uint16_t port;
    /// The random seed.
    uint64_t seed;
    /// How many instances each cloud's account may have; 0 is no limit.
    uint64_t quota;
    /// The only accepted token; NULL accepts any.
    const char *token;
};

/// Starts the clouds. `options` may be NULL. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for options that cannot be; SPUFF_OTHER when the port is taken, or
/// no socket can be had.
SPUFF_EXPORTED SPUFF_MUST_USE
spuff_code spuff_cloud_start(const struct spuff_cloud_options *options,
                             struct spuff_cloud **out,
                             struct spuff_error **error);

/// Ends the clouds and sets *cloud to NULL. NULL, or a pointer to NULL, is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_cloud_free(struct spuff_cloud **cloud);

/// Where it listens, such as `127.0.0.1:41234`. Lives as long as the cloud. NULL for NULL.
SPUFF_EXPORTED
const char *spuff_cloud_address(const struct spuff_cloud *cloud);

/// The configuration that connects a provider, `digitalocean`, `hetzner` or `aws`, to it. The
/// caller owns *out.
///
/// Errors: SPUFF_UNKNOWN_PROVIDER for another name.
SPUFF_EXPORTED
spuff_code spuff_cloud_config(const struct spuff_cloud *cloud,
                              const char *provider,
                              struct spuff_config **out,
                              struct spuff_error **error);

/// The environment variables, as `NAME=value`, that point the clouds' own tools and
/// spuff_registry_from_env at it. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
SPUFF_EXPORTED
spuff_code spuff_cloud_environment(const struct spuff_cloud *cloud,
                                   struct spuff_strings **out,
                                   struct spuff_error **error);

/// Injects a fault: a rule in JSON, such as
/// `{"fault":"reply_lost","route":"create_instance","times":1}`. *id, which may be NULL, is for
/// spuff_cloud_hits.
///
/// Errors: SPUFF_INVALID_CONFIG for an invalid rule.
SPUFF_EXPORTED
spuff_code spuff_cloud_inject(const struct spuff_cloud *cloud,
                              const char *rule,
                              uint64_t *id,
                              struct spuff_error **error);

/// How many requests a rule has affected. 0 for NULL.
SPUFF_EXPORTED
uint64_t spuff_cloud_hits(const struct spuff_cloud *cloud, uint64_t id);

/// Removes all faults. NULL does nothing.
SPUFF_EXPORTED
void spuff_cloud_clear_faults(const struct spuff_cloud *cloud);

/// Advances the clouds' time. NULL does nothing.
SPUFF_EXPORTED
void spuff_cloud_advance_ms(const struct spuff_cloud *cloud, uint64_t by_ms);

/// How many requests a cloud was sent. 0 for NULL, and for a name that is no cloud here.
SPUFF_EXPORTED
uint64_t spuff_cloud_request_count(const struct spuff_cloud *cloud, const char *provider);

/// The instances that exist, whether or not a client can see them. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
SPUFF_EXPORTED
spuff_code spuff_cloud_instances(const struct spuff_cloud *cloud,
                                 struct spuff_resources **out,
                                 struct spuff_error **error);

/// The snapshots that exist, whether or not a client can see them. The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
SPUFF_EXPORTED
spuff_code spuff_cloud_snapshots(const struct spuff_cloud *cloud,
                                 struct spuff_resources **out,
                                 struct spuff_error **error);

/// What exists, costs money, and is not being destroyed: nothing after a test that cleans up. The
/// caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
SPUFF_EXPORTED
spuff_code spuff_cloud_leaks(const struct spuff_cloud *cloud,
                             struct spuff_resources **out,
                             struct spuff_error **error);

/// Frees what was found and sets *resources to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
SPUFF_EXPORTED
void spuff_resources_free(struct spuff_resources **resources);

/// The number of entries. 0 for NULL.
SPUFF_EXPORTED
size_t spuff_resources_count(const struct spuff_resources *resources);

/// The cloud that one of them is at. NULL past the end, as the next ones.
SPUFF_EXPORTED
const char *spuff_resources_provider(const struct spuff_resources *resources, size_t index);

/// What it is: `instance`, `snapshot`, `disk_snapshot`, `disk` or `address`.
SPUFF_EXPORTED
const char *spuff_resources_kind(const struct spuff_resources *resources, size_t index);

/// Its id.
SPUFF_EXPORTED
const char *spuff_resources_id(const struct spuff_resources *resources, size_t index);

/// Its name; empty where it has none.
SPUFF_EXPORTED
const char *spuff_resources_name(const struct spuff_resources *resources, size_t index);

/// All of it in words, for a message.
SPUFF_EXPORTED
const char *spuff_resources_text(const struct spuff_resources *resources, size_t index);

/// Whether its destroy was accepted, so that it will soon be gone. false past the end.
SPUFF_EXPORTED
bool spuff_resources_is_ending(const struct spuff_resources *resources, size_t index);

/// What everything has cost so far, line by line. Prices resemble the real ones and are not offers.
/// The caller owns *out.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
SPUFF_EXPORTED
spuff_code spuff_cloud_bill(const struct spuff_cloud *cloud,
                            struct spuff_strings **out,
                            struct spuff_error **error);

/* ---- `spuff_report`: whether a provider satisfies the contract ---- */

/// The report of the conformance suite. Owned by the caller that got it, freed with
/// spuff_report_free; its texts live as long as it does. Any thread may read it.
struct spuff_report;

/// What the conformance suite runs on. What it points to must live until the suite is done.
struct spuff_subject {
    /// The size of this struct: set it to sizeof(spuff_subject).
    size_t size;
    /// The name of a provider of the registry.
    const char *name;
    /// How it is reached; NULL is its defaults.
    const struct spuff_config *config;
    /// The request of every instance: a region, size and image that the provider takes, empty where
    /// it has none. The name is replaced.
    const struct spuff_request *request;
    /// An id as the provider writes them, of nothing that exists.
    const char *absent_id;
    /// That of a snapshot; NULL is the same.
    const char *absent_snapshot_id;
    /// Whether a request may leave the size out.
    bool default_size;
    /// Whether creates under one idempotency key make one instance.
    bool idempotent;
};

/// Runs the conformance suite on a provider of a registry: 37 checks, which make about 30 instances
/// and destroy them. Blocks until it is done; cancelling the token fails the rest, and destroys
/// what was made. The caller owns *out.
///
/// Errors: SPUFF_UNKNOWN_PROVIDER; SPUFF_INVALID_CONFIG, with the field of the subject. *out
/// reports the provider's violations.
SPUFF_EXPORTED
spuff_code spuff_conformance_check(const struct spuff_registry *registry,
                                   const struct spuff_subject *subject,
                                   const struct spuff_cancel *cancel,
                                   struct spuff_report **out,
                                   struct spuff_error **error);

/// Frees a report and sets *report to NULL. NULL, or a pointer to NULL, is fine: twice is harmless.
SPUFF_EXPORTED
void spuff_report_free(struct spuff_report **report);

/// Whether no check has failed and nothing was left behind. false for NULL.
SPUFF_EXPORTED
bool spuff_report_is_passed(const struct spuff_report *report);

/// The report as a table, for a person. NULL for NULL.
SPUFF_EXPORTED
const char *spuff_report_text(const struct spuff_report *report);

/// The report as JSON, for a program. NULL for NULL.
SPUFF_EXPORTED
const char *spuff_report_json(const struct spuff_report *report);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* SPUFF_H */
