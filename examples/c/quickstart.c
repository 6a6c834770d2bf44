/* Creates an instance, uses it, and destroys it.
 *
 *     HETZNER_TOKEN=... quickstart hetzner fsn1 cx22
 */
#include <stdio.h>

#include "spuff.h"

static spuff_code use_instance(const spuff_provider *provider, const char *id,
                               spuff_error **error) {
    spuff_instance *instance = NULL;
    spuff_code code = spuff_provider_wait_ready(provider, id, NULL, NULL, &instance, error);
    if (code == SPUFF_OK)
        printf("%s is at %s\n", spuff_instance_name(instance), spuff_instance_ip(instance));
    spuff_instance_free(&instance);
    return code;
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: quickstart PROVIDER REGION SIZE\n");
        return 2;
    }
    spuff_registry *registry = spuff_registry_with_defaults();
    spuff_provider *provider = NULL;
    spuff_request *request = NULL;
    spuff_instance *instance = NULL;
    spuff_error *error = NULL;

    spuff_code code = spuff_registry_from_env(registry, arguments[1], &provider, &error);
    if (code == SPUFF_OK)
        code = spuff_request_new("web-1", arguments[2], arguments[3], &request, &error);
    if (code == SPUFF_OK)
        code = spuff_provider_create_instance(provider, request, NULL, &instance, &error);
    if (code == SPUFF_OK) {
        /* From here on the instance costs money: destroy it, whatever happens. */
        const char *id = spuff_instance_id(instance);
        code = use_instance(provider, id, &error);
        spuff_error *left = NULL;
        if (spuff_provider_destroy_instance(provider, id, NULL, &left) != SPUFF_OK) {
            fprintf(stderr, "it still exists: %s\n", spuff_error_text(left));
            code = spuff_error_code(left);
        }
        spuff_error_free(&left);
    }
    if (error) fprintf(stderr, "%s\n%s\n", spuff_error_text(error), spuff_code_advice(code));

    spuff_error_free(&error);
    spuff_instance_free(&instance);
    spuff_request_free(&request);
    spuff_provider_free(&provider);
    spuff_registry_free(&registry);
    return code == SPUFF_OK ? 0 : 1;
}
