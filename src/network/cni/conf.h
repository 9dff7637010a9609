/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CNI configurations, what plugins are given, and what they say: pure text.
 * U: containernetworking/cni SPEC.md 1.1.0; libcni conf.go, api.go.
 */
#pragma once

#include "base/json.h"
#include "contracts/cri_sandbox.h"

#define CNI_CONF_BYTES ((size_t)1 << 20)
#define CNI_PLUGINS_MAX 64u
#define CNI_IPS_MAX 64u

typedef struct cni_plugin {
	sp_str type;
	yyjson_val *conf; /* its object */
} cni_plugin;

typedef struct cni_list {
	sp_str name, version;
	bool disable_check, disable_gc;
	cni_plugin *plugins;
	size_t n_plugins;
} cni_list;

/* A list of plugins. Of cniVersions the newest that is known here counts. Everything is in the arena.
 * SP_EINVAL. */
sp_code cni_list_parse(sp_str text, sp_arena *a, cni_list *ret, sp_err *err) SP_MUST_USE;
/* Of a list before plugins in files of their own are added (cni_list_add). SP_EINVAL. */
typedef struct cni_list_head {
	sp_str name;
	bool only_inlined; /* loadOnlyInlinedPlugins: there are none to add */
} cni_list_head;
sp_code cni_list_head_parse(sp_str text, sp_arena *a, cni_list_head *ret, sp_err *err) SP_MUST_USE;
/* The list with the configurations of further plugins behind its own; what is not understood stays.
 * SP_EINVAL: a configuration without a type, or no plugin at all. */
sp_code cni_list_add(sp_str text, const sp_str *plugins, size_t n, sp_arena *a, sp_str *ret,
		     sp_err *err) SP_MUST_USE;
/* One plugin's configuration (*.conf, *.json) as a list of one. */
sp_code cni_list_of_one(sp_str text, sp_arena *a, sp_str *ret, sp_err *err) SP_MUST_USE;
/* The versions are three numbers; a malformed one is older than all. */
bool cni_version_is(sp_str version, const char *at_least);

/* What a pod gives to plugins that declare the capability; empty: not given. */
typedef struct cni_capabilities {
	sp_str port_mappings, bandwidth, dns, ip_ranges, aliases, cgroup_path, annotations; /* JSON */
} cni_capabilities;
/* Of a pod. `ip_range`: "10.88.0.0/16" or empty. The host ports of a mapping without one are left out.
 * SP_EINVAL: an annotation with a malformed bandwidth. */
sp_code cni_capabilities_of(const sp_cri_pod_sandbox_config *c, sp_str ip_range, sp_arena *a,
			    cni_capabilities *ret, sp_err *err) SP_MUST_USE;

/* CNI_ARGS of a pod. */
sp_str cni_args_of(const sp_cri_pod_sandbox_config *c, sp_str id, sp_arena *a);

typedef struct cni_input {
	const cni_list *list;
	const cni_capabilities *caps; /* may be NULL */
	sp_str prev;                  /* JSON of a result; empty: none */
	const sp_str *valid;          /* of GC: ids of sandboxes that are attached */
	size_t n_valid;
	bool gc;
} cni_input;
/* The standard input of the plugin at `i`. Errors are the buffer's. */
void cni_input_write(const cni_input *in, size_t i, sp_buf *out);

/* The result of the last ADD: the addresses of the interface, IPv4 first. SP_EPROTO: no result. */
sp_code cni_result_parse(sp_str text, sp_str if_name, sp_arena *a, sp_str **ret_ips, size_t *ret_n,
			 sp_err *err) SP_MUST_USE;

/* Why a plugin that exited with `status` failed, in libcni's words: "plugin type="x" failed (add): …". */
sp_code cni_failure(sp_str type, const char *verb, sp_str output, sp_str errors, int status, sp_err *err);
