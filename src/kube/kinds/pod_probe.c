/* SPDX-License-Identifier: Apache-2.0 */
/* Probes and lifecycle hooks of containers. */
#include "kube/kinds/pod_int.h"
#include "kube/meta.h"

typedef void handler_check(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *action);

static void exec_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *action)
{
	if (sp_kv_list(action, "command") == NULL)
		sp_v_required(w->v, SP_AT(path, "command"), "%s", "");
}

static void http_get_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *action)
{
	static const char *const schemes[] = {"HTTP", "HTTPS"};
	sp_str scheme = sp_kv_str(action, "scheme");
	if (sp_kv_str(action, "path").len == 0)
		sp_v_required(w->v, SP_AT(path, "path"), "%s", "");
	sp_v_port_num_or_name(w->v, SP_AT(path, "port"), sp_kv_get(action, "port"));
	if (!SP_STR_IN(scheme, schemes))
		sp_v_not_supported(w->v, SP_AT(path, "scheme"), sp_bad_named(scheme), schemes,
				   SP_LEN(schemes));
	SP_KV_EACH (header, i, sp_kv_list(action, "httpHeaders")) {
		sp_str name = sp_kv_str(header, "name");
		sp_v_faults(w->v, SP_AT(path, "httpHeaders"), name, sp_fmt_http_header_name(name));
	}
}

static void tcp_socket_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *action)
{
	sp_v_port_num_or_name(w->v, SP_AT(path, "port"), sp_kv_get(action, "port"));
}

static void grpc_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *action)
{
	sp_v_port_num(w->v, SP_AT(path, "port"), sp_kv_i64(action, "port", 0));
}

static void sleep_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *action)
{
	int64_t seconds = sp_kv_i64(action, "seconds", 0);
	int64_t grace = sp_kv_i64(w->spec, "terminationGracePeriodSeconds", 0);
	if (sp_kv_has(w->spec, "terminationGracePeriodSeconds") && (seconds < 0 || seconds > grace))
		sp_v_invalid(w->v, path, seconds,
			     "must be non-negative and less than terminationGracePeriodSeconds (%lld)",
			     (long long)grace);
}

/* Probes have no sleep, hooks no grpc. */
static const struct {
	const char *member;
	handler_check *check;
	bool probe, hook;
} handlers[] = {
	{"exec", exec_validate, true, true},
	{"httpGet", http_get_validate, true, true},
	{"tcpSocket", tcp_socket_validate, true, true},
	{"grpc", grpc_validate, true, false},
	{"sleep", sleep_validate, false, true},
};

static void handler_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *handler, bool probe)
{
	size_t n = 0;
	for (size_t i = 0; i < SP_LEN(handlers); i++) {
		yyjson_mut_val *action = sp_kv_get(handler, handlers[i].member);
		const sp_path *at = SP_AT_STR(path, sp_str_c(handlers[i].member));
		if (action == NULL || !(probe ? handlers[i].probe : handlers[i].hook))
			continue;
		if (n++ > 0)
			sp_v_forbidden(w->v, at, "may not specify more than 1 handler type");
		else
			handlers[i].check(w, at, action);
	}
	if (n == 0)
		sp_v_required(w->v, path, "must specify a handler type");
}

static void probe_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *probe)
{
	static const char *const counts[] = {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
					     "successThreshold", "failureThreshold"};
	int64_t grace = sp_kv_i64(probe, "terminationGracePeriodSeconds", 1);
	handler_validate(w, path, probe, true);
	for (size_t i = 0; i < SP_LEN(counts); i++)
		sp_v_non_negative(w->v, SP_AT_STR(path, sp_str_c(counts[i])), sp_kv_i64(probe, counts[i], 0));
	if (grace <= 0)
		sp_v_invalid(w->v, SP_AT(path, "terminationGracePeriodSeconds"), grace,
			     "must be greater than 0");
}

void sp_pod_probes_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *container)
{
	static const char *const names[] = {"livenessProbe", "readinessProbe", "startupProbe"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		yyjson_mut_val *probe = sp_kv_get(container, names[i]);
		const sp_path *at = SP_AT_STR(path, sp_str_c(names[i]));
		int64_t success = sp_kv_i64(probe, "successThreshold", 0);
		bool readiness = i == 1;
		if (probe == NULL)
			continue;
		probe_validate(w, at, probe);
		if (!readiness && success != 1)
			sp_v_invalid(w->v, SP_AT(at, "successThreshold"), success, "must be 1");
		if (readiness && sp_kv_has(probe, "terminationGracePeriodSeconds"))
			sp_v_invalid(w->v, SP_AT(at, "terminationGracePeriodSeconds"),
				     sp_kv_get(probe, "terminationGracePeriodSeconds"),
				     "must not be set for readinessProbes");
	}
}

void sp_pod_lifecycle_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *container)
{
	static const char *const names[] = {"postStart", "preStop"};
	yyjson_mut_val *lifecycle = sp_kv_get(container, "lifecycle");
	for (size_t i = 0; i < SP_LEN(names); i++) {
		yyjson_mut_val *handler = sp_kv_get(lifecycle, names[i]);
		if (handler != NULL)
			handler_validate(w, SP_AT_STR(SP_AT(path, "lifecycle"), sp_str_c(names[i])), handler,
					 false);
	}
}
