/* The table of functions of a provider written in Go: each goes to the exported function of its
 * name. */
#include "bridge.h"

#include "_cgo_export.h"

#define NUMBER(pointer) ((uintptr_t)(pointer))

static void dropped(void *factory) { spuffgoDrop(NUMBER(factory)); }

static int32_t connect(void *factory, const spuff_config *config, void **self,
                       spuff_error **error) {
  uintptr_t made = 0;
  int32_t code = spuffgoConnect(NUMBER(factory), (spuff_config *)config, &made, error);
  *self = (void *)made;
  return code;
}

static void disconnect(void *self) { spuffgoDisconnect(NUMBER(self)); }

static int32_t create_instance(void *self, const spuff_request *request, const spuff_cancel *cancel,
                               spuff_instance **out, spuff_error **error) {
  return spuffgoCreateInstance(NUMBER(self), (spuff_request *)request, (spuff_cancel *)cancel, out,
                               error);
}

static int32_t destroy_instance(void *self, const char *id, const spuff_cancel *cancel,
                                spuff_error **error) {
  return spuffgoDestroyInstance(NUMBER(self), (char *)id, (spuff_cancel *)cancel, error);
}

static int32_t get_instance(void *self, const char *id, const spuff_cancel *cancel,
                            spuff_instance **out, spuff_error **error) {
  return spuffgoGetInstance(NUMBER(self), (char *)id, (spuff_cancel *)cancel, out, error);
}

static int32_t list_instances(void *self, const spuff_cancel *cancel, spuff_instances *list,
                              spuff_error **error) {
  return spuffgoListInstances(NUMBER(self), (spuff_cancel *)cancel, list, error);
}

static int32_t wait_ready(void *self, const char *id, const spuff_cancel *cancel,
                          spuff_instance **out, spuff_error **error) {
  return spuffgoWaitReady(NUMBER(self), (char *)id, (spuff_cancel *)cancel, out, error);
}

static int32_t create_snapshot(void *self, const char *instance_id, const char *name,
                               const spuff_cancel *cancel, spuff_snapshot **out,
                               spuff_error **error) {
  return spuffgoCreateSnapshot(NUMBER(self), (char *)instance_id, (char *)name,
                               (spuff_cancel *)cancel, out, error);
}

static int32_t list_snapshots(void *self, const spuff_cancel *cancel, spuff_snapshots *list,
                              spuff_error **error) {
  return spuffgoListSnapshots(NUMBER(self), (spuff_cancel *)cancel, list, error);
}

static int32_t delete_snapshot(void *self, const char *id, const spuff_cancel *cancel,
                               spuff_error **error) {
  return spuffgoDeleteSnapshot(NUMBER(self), (char *)id, (spuff_cancel *)cancel, error);
}

static int32_t resolve(void *self, const char *key, const spuff_cancel *cancel,
                       spuff_instance **out, spuff_error **error) {
  return spuffgoResolve(NUMBER(self), (char *)key, (spuff_cancel *)cancel, out, error);
}

static int32_t resolve_snapshot(void *self, const char *key, const spuff_cancel *cancel,
                                spuff_snapshot **out, spuff_error **error) {
  return spuffgoResolveSnapshot(NUMBER(self), (char *)key, (spuff_cancel *)cancel, out, error);
}

static int32_t set_labels(void *self, const char *id, const char *const *keys,
                          const char *const *values, size_t count, const spuff_cancel *cancel,
                          spuff_error **error) {
  return spuffgoSetLabels(NUMBER(self), (char *)id, (char **)keys, (char **)values, count,
                          (spuff_cancel *)cancel, error);
}

static int32_t get_ssh_keys(void *self, const spuff_cancel *cancel, spuff_strings *list,
                            spuff_error **error) {
  return spuffgoGetSSHKeys(NUMBER(self), (spuff_cancel *)cancel, list, error);
}

static int32_t hourly_price(void *self, const char *region, const char *size,
                            const spuff_cancel *cancel, spuff_price **out, spuff_error **error) {
  return spuffgoHourlyPrice(NUMBER(self), (char *)region, (char *)size, (spuff_cancel *)cancel, out,
                            error);
}

spuff_code spuffgo_register(const spuff_registry *registry, const char *name, const char *summary,
                            size_t max_user_data, bool drops_labels, spuffgo_abilities abilities,
                            uintptr_t factory, spuff_error **error) {
  spuff_provider_vtable table = {
      .size = sizeof(spuff_provider_vtable),
      .user_data = (void *)factory,
      .drop = dropped,
      .max_user_data = max_user_data,
      .drops_labels = drops_labels,
      .connect = connect,
      .disconnect = disconnect,
      .create_instance = create_instance,
      .destroy_instance = destroy_instance,
      .get_instance = get_instance,
      .list_instances = list_instances,
      .wait_ready = abilities.wait_ready ? wait_ready : NULL,
      .create_snapshot = abilities.snapshots ? create_snapshot : NULL,
      .list_snapshots = abilities.snapshots ? list_snapshots : NULL,
      .delete_snapshot = abilities.snapshots ? delete_snapshot : NULL,
      .resolve = abilities.resolve ? resolve : NULL,
      .resolve_snapshot = abilities.resolve_snapshot ? resolve_snapshot : NULL,
      .set_labels = abilities.set_labels ? set_labels : NULL,
      .get_ssh_keys = abilities.get_ssh_keys ? get_ssh_keys : NULL,
      .hourly_price = abilities.hourly_price ? hourly_price : NULL,
  };
  return spuff_registry_register(registry, name, summary, &table, error);
}
