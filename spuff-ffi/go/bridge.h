/* What Go cannot say itself: callbacks, and user data that is a number and not a pointer. */
#ifndef SPUFF_GO_BRIDGE_H
#define SPUFF_GO_BRIDGE_H

#include <spuff.h>

#include "zz_bridge.h"

/* The observer of a Go call by its number; it has no function where the call is not observed. */
spuff_observer spuffgo_observer(bool observed, uintptr_t call);

/* Operations that call back, made of several: `call` is the number of a Go call, which is told of
 * the outcome once, and of the progress where it is observed. */
spuff_code spuffgo_create_and_wait(const spuff_provider *provider, const spuff_request *request,
                                   int32_t on_failure, const spuff_cancel *cancel, bool observed,
                                   uintptr_t call, spuff_error **error);
spuff_code spuffgo_reap(const spuff_provider *provider, const spuff_reap *which,
                        const spuff_cancel *cancel, bool observed, uintptr_t call,
                        spuff_error **error);
spuff_code spuffgo_list_owned(const spuff_provider *provider, const char *owner,
                              const spuff_cancel *cancel, uintptr_t call, spuff_error **error);
spuff_code spuffgo_renew(const spuff_provider *provider, const char *id, uint64_t ttl_seconds,
                         const spuff_cancel *cancel, uintptr_t call, spuff_error **error);
spuff_code spuffgo_settled(const spuff_cancel *cancel, uintptr_t call, spuff_error **error);

/* Lets a Go function be called when a token is cancelled: `number` is its. */
spuff_code spuffgo_notify(const spuff_cancel *cancel, uintptr_t number, spuff_notice **out,
                          spuff_error **error);

/* Verbs over many: the arrays may be Go's, as they are copied. */
spuff_code spuffgo_create_instances(const spuff_provider *provider,
                                    const spuff_request *const *requests, size_t count,
                                    const spuff_fleet_options *options, const spuff_cancel *cancel,
                                    bool observed, uintptr_t call, spuff_error **error);
spuff_code spuffgo_wait_ready_many(const spuff_provider *provider, const char *const *ids,
                                   size_t count, const spuff_cancel *cancel, bool observed,
                                   uintptr_t call, spuff_error **error);
spuff_code spuffgo_destroy_instances(const spuff_provider *provider, const char *const *ids,
                                     size_t count, size_t concurrency, const spuff_cancel *cancel,
                                     bool observed, uintptr_t call, spuff_error **error);

spuff_code spuffgo_place_instance(const spuff_placement *placement, const spuff_request *request,
                                  const spuff_cancel *cancel, bool observed, uintptr_t call,
                                  spuff_error **error);
spuff_code spuffgo_place_instances(const spuff_placement *placement,
                                   const spuff_request *const *requests, size_t count,
                                   const spuff_fleet_options *options, const spuff_cancel *cancel,
                                   bool observed, uintptr_t call, spuff_error **error);

/* Gives the log to Go. */
spuff_code spuffgo_listen(int32_t level, bool listens, spuff_error **error);

/* Registers a provider written in Go; `factory` is the number of what makes it. */
spuff_code spuffgo_register(const spuff_registry *registry, const char *name, const char *summary,
                            size_t max_user_data, bool drops_labels, spuffgo_abilities abilities,
                            uintptr_t factory, spuff_error **error);

#endif
