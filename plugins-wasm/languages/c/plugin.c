/* A chained plugin that closes what a container's interface leaves open: forged senders, source routes,
 * routers and redirects that a neighbour announces. It has no configuration; what it sets is this table. */

/* No stdio: wasi-libc's needs WASI, which wasmcni does not have. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

/* Settings of the interface, below /proc/sys. Those alone for which the interface's own value counts whatever
 * `conf/all` says. (Documentation/networking/ip-sysctl.rst) */
static const struct { const char *family, *name, *value; } settings[] = {
    { "net/ipv4/conf/", "rp_filter", "1" },        /* RFC 3704: no packets with others' addresses */
    { "net/ipv4/conf/", "accept_source_route", "0" },
    { "net/ipv6/conf/", "accept_ra", "0" },        /* CVE-2020-10749: no router but the configured one */
    { "net/ipv6/conf/", "accept_redirects", "0" },
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

/* Codes of CNI's specification and of wasmcni, with the message that belongs to each. */
enum { CONFIGURATION = 7, TRY_AGAIN = 11, DENIED = 100, CHANGED = 110, INTERNAL = 999 };

static const char *message(unsigned code) {
    switch (code) {
    case CONFIGURATION: return "invalid network configuration";
    case TRY_AGAIN: return "try again later";
    case DENIED: return "denied by policy";
    case CHANGED: return "attachment missing or changed";
    default: return "internal error";
    }
}

typedef exports_wasmcni_cni_plugin_request_t request_t;
typedef exports_wasmcni_cni_plugin_cni_error_t cni_error_t;
typedef wasmcni_net_types_error_t net_error_t;

/* What is returned to the host it frees, so texts are copies. Nothing else is freed here: the memory of a
 * plugin lives as long as its one call. */
static bool fail(cni_error_t *err, unsigned code, const char *details) {
    err->code = code;
    plugin_string_dup(&err->msg, message(code));
    plugin_string_dup(&err->details, details);
    return false;
}

/* The texts one after the other, up to NULL. */
static char *join(const char *text, ...) {
    char *joined = calloc(1, 1);
    va_list texts;
    va_start(texts, text);
    for (; joined != NULL && text != NULL; text = va_arg(texts, const char *)) {
        joined = realloc(joined, strlen(joined) + strlen(text) + 1);
        if (joined != NULL)
            strcat(joined, text);
    }
    va_end(texts);
    if (joined == NULL)
        abort(); /* A trap: the host takes back what was done. */
    return joined;
}

/* A text of the host's, ended as C has it. */
static char *text_of(plugin_string_t string) {
    char *text = strndup((char *)string.ptr, string.len);
    if (text == NULL)
        abort();
    return text;
}

/* The code for an error of a host call. Its details say what was tried, and on what. */
static bool fail_with(cni_error_t *err, const net_error_t *cause) {
    unsigned code = INTERNAL;
    if (cause->code == WASMCNI_NET_TYPES_ERROR_CODE_DENIED)
        code = DENIED;
    else if (cause->code == WASMCNI_NET_TYPES_ERROR_CODE_BUSY || cause->code == WASMCNI_NET_TYPES_ERROR_CODE_EXHAUSTED)
        code = TRY_AGAIN;
    return fail(err, code, text_of(cause->detail));
}

/* The key of a setting for this call's interface. */
static plugin_string_t key_of(int i, const request_t *request) {
    plugin_string_t key;
    plugin_string_set(&key, join(settings[i].family, text_of(request->ifname), "/", settings[i].name, NULL));
    return key;
}

/* IPv6 may be switched off: then there is nothing to close. */
static bool is_absent(const net_error_t *error) {
    return error->code == WASMCNI_NET_TYPES_ERROR_CODE_NOT_FOUND;
}

bool exports_wasmcni_cni_plugin_add(
    request_t *request, exports_wasmcni_cni_plugin_cni_result_t *ret, cni_error_t *err) {
    wasmcni_net_netns_own_netns_t netns;
    net_error_t error;
    if (!request->prev_result.is_some)
        return fail(err, CONFIGURATION, "reading \"prevResult\": missing: run it after a plugin that makes the interface");
    if (!wasmcni_net_netns_enter_netns(WASMCNI_NET_NETNS_ROLE_CONTAINER, &netns, &error))
        return fail_with(err, &error);
    for (int i = 0; i < SETTINGS; i++) {
        plugin_string_t key = key_of(i, request), value;
        plugin_string_set(&value, settings[i].value);
        /* The host notes the former value, and puts it back on DEL or when this ADD fails. */
        if (!wasmcni_net_sysctl_write_until_del(wasmcni_net_netns_borrow_netns(netns), &key, &value, &error)
            && !is_absent(&error))
            return fail_with(err, &error);
    }
    *ret = request->prev_result.val;
    return true;
}

bool exports_wasmcni_cni_plugin_check(request_t *request, cni_error_t *err) {
    wasmcni_net_netns_own_netns_t netns;
    net_error_t error;
    if (!wasmcni_net_netns_enter_netns(WASMCNI_NET_NETNS_ROLE_CONTAINER, &netns, &error))
        return fail_with(err, &error);
    for (int i = 0; i < SETTINGS; i++) {
        plugin_string_t key = key_of(i, request), value;
        if (!wasmcni_net_sysctl_read(wasmcni_net_netns_borrow_netns(netns), &key, &value, &error)) {
            if (is_absent(&error))
                continue;
            return fail_with(err, &error);
        }
        if (value.len == strlen(settings[i].value) && memcmp(value.ptr, settings[i].value, value.len) == 0)
            continue;
        return fail(err, CHANGED, join("setting \"", text_of(key), "\" is \"", text_of(value), "\", not \"",
            settings[i].value, "\"", NULL));
    }
    return true;
}

/* Nothing to do: the host puts the former values back. */
bool exports_wasmcni_cni_plugin_del(request_t *request, cni_error_t *err) {
    (void)request, (void)err;
    return true;
}

/* It keeps nothing on the node. */
bool exports_wasmcni_cni_plugin_gc(exports_wasmcni_cni_plugin_network_request_t *request,
    exports_wasmcni_cni_plugin_list_attachment_id_t *valid, cni_error_t *err) {
    (void)request, (void)valid, (void)err;
    return true;
}

/* It needs nothing of the node. */
bool exports_wasmcni_cni_plugin_status(exports_wasmcni_cni_plugin_network_request_t *request, cni_error_t *err) {
    (void)request, (void)err;
    return true;
}
