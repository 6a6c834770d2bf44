/* The table of a provider written in Go. The functions of its operations are in zz_vtable.c. */
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
  };
  spuffgo_fill(&table, abilities);
  return spuff_registry_register(registry, name, summary, &table, error);
}
