/* The library's callbacks on one side, Go's exported functions on the other. */
#include "bridge.h"

#include "_cgo_export.h"

#define CALL(number) ((void *)(number))
#define NUMBER(pointer) ((uintptr_t)(pointer))

static void reaped_done(void *call, spuff_code code, spuff_reaped *made, spuff_error *error) {
  spuffgoDone(NUMBER(call), code, made, error);
}

static void outcomes_done(void *call, spuff_code code, spuff_outcomes *made, spuff_error *error) {
  spuffgoDone(NUMBER(call), code, made, error);
}

static void placed_done(void *call, spuff_code code, spuff_placed *made, spuff_error *error) {
  spuffgoDone(NUMBER(call), code, made, error);
}

static void time_done(void *call, spuff_code code, int64_t at, spuff_error *error) {
  spuffgoTime(NUMBER(call), code, at, error);
}

static void cancelled(void *number) { spuffgoCancelled(NUMBER(number)); }

spuff_code spuffgo_notify(const spuff_cancel *cancel, uintptr_t number, spuff_notice **out,
                          spuff_error **error) {
  return spuff_cancel_notify(cancel, cancelled, (void *)number, out, error);
}

static void progress(void *call, const spuff_progress *seen) {
  spuffgoProgress(NUMBER(call), (spuff_progress *)seen);
}

spuff_observer spuffgo_observer(bool observed, uintptr_t call) {
  return (spuff_observer){.size = sizeof(spuff_observer),
                          .progress = observed ? progress : NULL,
                          .user_data = CALL(call)};
}

spuff_code spuffgo_create_and_wait(const spuff_provider *provider, const spuff_request *request,
                                   int32_t on_failure, const spuff_cancel *cancel, bool observed,
                                   uintptr_t call, spuff_error **error) {
  spuff_observer who = spuffgo_observer(observed, call);
  return spuff_provider_create_and_wait_submit(provider, request, on_failure, cancel, &who,
                                               spuffgo_instance_done, CALL(call), error);
}

spuff_code spuffgo_reap(const spuff_provider *provider, const spuff_reap *which,
                        const spuff_cancel *cancel, bool observed, uintptr_t call,
                        spuff_error **error) {
  spuff_observer who = spuffgo_observer(observed, call);
  return spuff_provider_reap_submit(provider, which, cancel, &who, reaped_done, CALL(call), error);
}

spuff_code spuffgo_create_instances(const spuff_provider *provider,
                                    const spuff_request *const *requests, size_t count,
                                    const spuff_fleet_options *options, const spuff_cancel *cancel,
                                    bool observed, uintptr_t call, spuff_error **error) {
  spuff_observer who = spuffgo_observer(observed, call);
  return spuff_provider_create_instances_submit(provider, requests, count, options, cancel, &who,
                                                outcomes_done, CALL(call), error);
}

spuff_code spuffgo_wait_ready_many(const spuff_provider *provider, const char *const *ids,
                                   size_t count, const spuff_cancel *cancel, bool observed,
                                   uintptr_t call, spuff_error **error) {
  spuff_observer who = spuffgo_observer(observed, call);
  return spuff_provider_wait_ready_many_submit(provider, ids, count, cancel, &who, outcomes_done,
                                               CALL(call), error);
}

spuff_code spuffgo_destroy_instances(const spuff_provider *provider, const char *const *ids,
                                     size_t count, size_t concurrency, const spuff_cancel *cancel,
                                     bool observed, uintptr_t call, spuff_error **error) {
  spuff_observer who = spuffgo_observer(observed, call);
  return spuff_provider_destroy_instances_submit(provider, ids, count, concurrency, cancel, &who,
                                                 outcomes_done, CALL(call), error);
}

spuff_code spuffgo_place_instance(const spuff_placement *placement, const spuff_request *request,
                                  const spuff_cancel *cancel, bool observed, uintptr_t call,
                                  spuff_error **error) {
  spuff_observer who = spuffgo_observer(observed, call);
  return spuff_place_instance_submit(placement, request, cancel, &who, placed_done, CALL(call),
                                     error);
}

spuff_code spuffgo_place_instances(const spuff_placement *placement,
                                   const spuff_request *const *requests, size_t count,
                                   const spuff_fleet_options *options, const spuff_cancel *cancel,
                                   bool observed, uintptr_t call, spuff_error **error) {
  spuff_observer who = spuffgo_observer(observed, call);
  return spuff_place_instances_submit(placement, requests, count, options, cancel, &who,
                                      outcomes_done, CALL(call), error);
}

static void line(void *nothing, spuff_log_level level, const char *target, const char *message) {
  (void)nothing;
  spuffgoLine(level, (char *)target, (char *)message);
}

spuff_code spuffgo_listen(int32_t level, bool listens, spuff_error **error) {
  return spuff_log_listen(level, listens ? line : NULL, NULL, error);
}

spuff_code spuffgo_list_owned(const spuff_provider *provider, const char *owner,
                              const spuff_cancel *cancel, uintptr_t call, spuff_error **error) {
  return spuff_provider_list_owned_submit(provider, owner, cancel, spuffgo_instances_done,
                                          CALL(call), error);
}

spuff_code spuffgo_renew(const spuff_provider *provider, const char *id, uint64_t ttl_seconds,
                         const spuff_cancel *cancel, uintptr_t call, spuff_error **error) {
  return spuff_provider_renew_submit(provider, id, ttl_seconds, cancel, time_done, CALL(call),
                                     error);
}

spuff_code spuffgo_settled(const spuff_cancel *cancel, uintptr_t call, spuff_error **error) {
  return spuff_settled_submit(cancel, spuffgo_done, CALL(call), error);
}
