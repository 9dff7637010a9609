/* SPDX-License-Identifier: Apache-2.0 */
/* Ingress and IngressClass of networking.k8s.io/v1. */
#include "base/ip.h"
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/warn.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

static const char class_annotation[] = "kubernetes.io/ingress.class";

/* What the old object permits. */
enum { BAD_SECRET_NAME = 1u << 0, BAD_WILDCARD_RULE = 1u << 1 };

static void segment(sp_violations *v, const sp_path *path, sp_str s)
{
	if (s.len == 0)
		sp_v_required(v, path, "%s", "");
	else
		sp_v_faults(v, path, s, sp_name_path_segment(s));
}

/* apiGroup, kind and name of a reference. */
static void reference(sp_violations *v, yyjson_mut_val *ref, const sp_path *path)
{
	if (sp_kv_has(ref, "apiGroup"))
		sp_v_dns1123_subdomain(v, SP_AT(path, "apiGroup"), sp_kv_str(ref, "apiGroup"));
	segment(v, SP_AT(path, "kind"), sp_kv_str(ref, "kind"));
	segment(v, SP_AT(path, "name"), sp_kv_str(ref, "name"));
}

static void service_backend(sp_violations *v, yyjson_mut_val *service, const sp_path *path)
{
	sp_str name = sp_kv_str(service, "name"), port = sp_kv_str(sp_kv_get(service, "port"), "name");
	int64_t number = sp_kv_i64(sp_kv_get(service, "port"), "number", 0);
	const sp_path *at = SP_AT(path, "service");
	if (name.len == 0)
		sp_v_required(v, SP_AT(at, "name"), "%s", "");
	else
		sp_v_dns1123_label(v, SP_AT(at, "name"), name);
	if (port.len > 0 && number != 0)
		sp_v_invalid(v, path, "", "cannot set both port name & port number");
	else if (port.len > 0)
		sp_v_faults(v, SP_AT(at, "port.name"), port, sp_fmt_port_name(port));
	else if (number != 0)
		sp_v_port_num(v, SP_AT(at, "port.number"), number);
	else
		sp_v_required(v, path, "port name or number is required");
}

static void backend(sp_violations *v, yyjson_mut_val *b, const sp_path *path)
{
	yyjson_mut_val *resource = sp_kv_get(b, "resource"), *service = sp_kv_get(b, "service");
	if (resource != NULL && service != NULL)
		sp_v_invalid(v, path, "", "cannot set both resource and service backends");
	else if (resource != NULL)
		reference(v, resource, SP_AT(path, "resource"));
	else if (service != NULL)
		service_backend(v, service, path);
	else
		sp_v_invalid(v, path, "", "resource or service backend is required");
}

static void exact_path(sp_violations *v, sp_str text, const sp_path *path)
{
	static const char *const sequences[] = {"//", "/./", "/../", "%2f", "%2F"};
	static const char *const endings[] = {"/..", "/."};
	for (size_t i = 0; i < SP_LEN(sequences); i++) {
		if (sp_str_find(text, sp_str_c(sequences[i])) >= 0)
			sp_v_invalid(v, path, text, "must not contain '%s'", sequences[i]);
	}
	for (size_t i = 0; i < SP_LEN(endings); i++) {
		if (sp_str_ends(text, sp_str_c(endings[i])))
			sp_v_invalid(v, path, text, "cannot end with '%s'", endings[i]);
	}
}

static void http_path(sp_violations *v, yyjson_mut_val *p, const sp_path *path)
{
	static const char *const types[] = {"Exact", "ImplementationSpecific", "Prefix"};
	sp_str type = sp_kv_str(p, "pathType"), text = sp_kv_str(p, "path");
	const sp_path *at = SP_AT(path, "path");
	if (!sp_kv_has(p, "pathType")) {
		sp_v_required(v, SP_AT(path, "pathType"), "pathType must be specified");
		return;
	}
	bool free_form = sp_str_eq(type, SP_STR("ImplementationSpecific"));
	if (!SP_STR_IN(type, types)) {
		sp_v_not_supported(v, SP_AT(path, "pathType"), sp_bad_named(type), types, SP_LEN(types));
	} else {
		if (!sp_str_starts(text, SP_STR("/")) && (text.len > 0 || !free_form))
			sp_v_invalid(v, at, text, "must be an absolute path");
		if (!free_form)
			exact_path(v, text, at);
	}
	backend(v, sp_kv_get(p, "backend"), SP_AT(path, "backend"));
}

static void rule_value(sp_violations *v, yyjson_mut_val *rule, const sp_path *path)
{
	yyjson_mut_val *http = sp_kv_get(rule, "http"), *paths = sp_kv_list(http, "paths");
	const sp_path *at = SP_AT(path, "http.paths");
	if (http == NULL)
		return;
	if (paths == NULL)
		sp_v_required(v, at, "%s", "");
	SP_KV_EACH (p, i, paths) {
		http_path(v, p, SP_AT_I(at, i));
	}
}

static void host_name(sp_violations *v, sp_str host, const sp_path *path)
{
	if (sp_str_index(host, '*') >= 0)
		sp_v_wildcard_subdomain(v, path, host);
	else
		sp_v_dns1123_subdomain(v, path, host);
}

static void rules_validate(sp_violations *v, yyjson_mut_val *rules, const sp_path *path, unsigned options)
{
	SP_KV_EACH (rule, i, rules) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str host = sp_kv_str(rule, "host");
		sp_ip ip;
		if (host.len > 0 && sp_ip_parse(host, &ip))
			sp_v_invalid(v, SP_AT(at, "host"), host, "must be a DNS name, not an IP address");
		if (host.len > 0)
			host_name(v, host, SP_AT(at, "host"));
		if (sp_str_index(host, '*') < 0 || (options & BAD_WILDCARD_RULE) == 0)
			rule_value(v, rule, at);
	}
}

static void tls_validate(sp_violations *v, yyjson_mut_val *list, const sp_path *path, unsigned options)
{
	SP_KV_EACH (tls, i, list) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str secret = sp_kv_str(tls, "secretName");
		SP_KV_EACH (host, k, sp_kv_list(tls, "hosts")) {
			host_name(v, sp_jmut_str(host), SP_AT_I(SP_AT(at, "hosts"), k));
		}
		if ((options & BAD_SECRET_NAME) == 0 && secret.len > 0)
			sp_v_dns1123_subdomain(v, SP_AT(at, "secretName"), secret);
	}
}

static void spec_validate(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned options)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *rules = sp_kv_list(spec, "rules");
	const sp_path *path = SP_PATH("spec");
	sp_meta_validate(c, obj);
	if (rules == NULL && !sp_kv_has(spec, "defaultBackend"))
		sp_v_invalid(v, path, sp_kv_get(spec, "rules"),
			     "either `defaultBackend` or `rules` must be specified");
	if (sp_kv_has(spec, "defaultBackend"))
		backend(v, sp_kv_get(spec, "defaultBackend"), SP_AT(path, "defaultBackend"));
	rules_validate(v, rules, SP_AT(path, "rules"), options);
	tls_validate(v, sp_kv_list(spec, "tls"), SP_AT(path, "tls"), options);
	if (sp_kv_has(spec, "ingressClassName"))
		sp_v_dns1123_subdomain(v, SP_AT(path, "ingressClassName"),
				       sp_kv_str(spec, "ingressClassName"));
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *annotations = sp_kv_get(sp_meta(obj), "annotations");
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	sp_str name = sp_kv_str(annotations, class_annotation);
	spec_validate(c, obj, 0);
	if (sp_kv_has(annotations, class_annotation) && sp_kv_has(spec, "ingressClassName") &&
	    !sp_str_eq(name, sp_kv_str(spec, "ingressClassName")))
		sp_v_invalid(c->errors, SP_PATH("annotations.kubernetes.io/ingress.class"), name,
			     "must match `ingressClassName` when both are specified");
}

static unsigned options_of(sp_kind_ctx *c, yyjson_mut_val *old)
{
	sp_violations found;
	unsigned options = 0;
	yyjson_mut_val *spec = sp_kv_get(old, "spec");
	SP_KV_EACH (tls, i, sp_kv_list(spec, "tls")) {
		sp_str secret = sp_kv_str(tls, "secretName");
		if (secret.len > 0 && sp_name_dns1123_subdomain(secret).n > 0)
			options |= BAD_SECRET_NAME;
	}
	sp_violations_init(&found, c->arena);
	SP_KV_EACH (rule, i, sp_kv_list(spec, "rules")) {
		if (sp_str_index(sp_kv_str(rule, "host"), '*') >= 0)
			rule_value(&found, rule, NULL);
	}
	return found.n > 0 ? options | BAD_WILDCARD_RULE : options;
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	spec_validate(c, obj, options_of(c, old));
}

static yyjson_mut_val *points_of(yyjson_mut_val *obj)
{
	return sp_kv_list(sp_kv_path(obj, "status", "loadBalancer", NULL), "ingress");
}

static void status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	const sp_path *path = SP_PATH("status.loadBalancer.ingress");
	yyjson_mut_val *known = yyjson_mut_arr(c->doc);
	sp_meta_validate_update(c, obj, old);
	SP_KV_EACH (point, i, points_of(old)) {
		if (sp_kv_str(point, "ip").len > 0)
			SP_KIND_NEED(c,
				     yyjson_mut_arr_append(
					     known, yyjson_mut_val_mut_copy(c->doc, sp_kv_get(point, "ip"))));
	}
	SP_KV_EACH (point, i, points_of(obj)) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str ip = sp_kv_str(point, "ip"), host = sp_kv_str(point, "hostname");
		sp_ip parsed;
		if (ip.len > 0)
			sp_v_ip_legacy(c->errors, SP_AT(at, "ip"), ip, known);
		if (host.len == 0)
			continue;
		sp_v_dns1123_subdomain(c->errors, SP_AT(at, "hostname"), host);
		if (sp_ip_parse(host, &parsed))
			sp_v_invalid(c->errors, SP_AT(at, "hostname"), host,
				     "must be a DNS name, not an IP address");
	}
}

static void status_warn(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	SP_KV_EACH (point, i, points_of(obj)) {
		if (sp_kv_str(point, "ip").len > 0)
			sp_ip_warn(c, SP_AT_I(SP_PATH("status.loadBalancer.ingress"), i),
				   sp_kv_str(point, "ip"));
	}
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	if (sp_kv_has(sp_kv_get(sp_meta(obj), "annotations"), class_annotation) &&
	    !sp_kv_has(sp_kv_get(obj, "spec"), "ingressClassName"))
		sp_warn(c, "annotation \"%s\" is deprecated, please use 'spec.ingressClassName' instead",
			class_annotation);
}

static yyjson_mut_val *class_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_str_or(c, sp_kv_get(obj, "spec"), "ingressClassName", "<none>");
}

#define HOSTS_SHOWN 3u

static yyjson_mut_val *hosts_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_AUTO_BUF text;
	yyjson_mut_val *rules = sp_kv_path(obj, "spec", "rules", NULL);
	size_t shown = 0;
	bool more = false;
	sp_buf_init(&text, c->arena->limit_bytes);
	SP_KV_EACH (rule, i, rules) {
		more = more || shown == HOSTS_SHOWN;
		if (more || sp_kv_str(rule, "host").len == 0)
			continue;
		(void)sp_buf_str(&text, shown++ > 0 ? SP_STR(",") : SP_STR(""));
		(void)sp_buf_str(&text, sp_kv_str(rule, "host"));
	}
	if (shown == 0)
		return sp_cell_str(c, SP_STR("*"));
	if (more)
		(void)sp_buf_printf(&text, " + %zu more...", sp_kv_len(rules) - HOSTS_SHOWN);
	return sp_cell_buf(c, &text);
}

/* Names and addresses once each, sorted. */
static yyjson_mut_val *address_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_str sorted[16]; /* more does not fit a column */
	size_t n = 0;
	SP_KV_EACH (point, i, points_of(obj)) {
		sp_str ip = sp_kv_str(point, "ip"), one = ip.len > 0 ? ip : sp_kv_str(point, "hostname");
		size_t at = 0;
		while (at < n && sp_str_cmp(sorted[at], one) < 0)
			at++;
		if (one.len == 0 || n == SP_LEN(sorted) || (at < n && sp_str_eq(sorted[at], one)))
			continue;
		memmove(&sorted[at + 1], &sorted[at], (n - at) * sizeof(sorted[0]));
		sorted[at] = one;
		n++;
	}
	return n == 0 ? sp_cell_str(c, SP_STR("")) : sp_cell_first_texts(c, sorted, n, n);
}

static yyjson_mut_val *ports_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	bool tls = sp_kv_list(sp_kv_get(obj, "spec"), "tls") != NULL;
	return sp_cell_str(c, tls ? SP_STR("80, 443") : SP_STR("80"));
}

static const sp_sub_hooks subs[] = {{.name = SP_STR_INIT("status"),
				     .validate_update = status_validate,
				     .warn_update = status_warn,
				     .reset_fields = sp_reset_spec}};
static const sp_cell cells[] = {{SP_STR_INIT("Class"), class_cell},
				{SP_STR_INIT("Hosts"), hosts_cell},
				{SP_STR_INIT("Address"), address_cell},
				{SP_STR_INIT("Ports"), ports_cell}};

const sp_kind_hooks sp_hooks_ingress = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_HAS_STATUS,
	.validate = validate,
	.validate_update = validate_update,
	.warn_create = warn_create,
	.reset_fields = sp_reset_status,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.cells = cells,
	.n_cells = SP_LEN(cells),
};

/* -- IngressClass --------------------------------------------------------------------------------------- */

#define CONTROLLER_BYTES_MAX 250

static void class_defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *parameters = sp_kv_path(obj, "spec", "parameters", NULL);
	if (parameters != NULL && !sp_kv_has(parameters, "scope"))
		sp_default_str(c, parameters, "scope", "Cluster");
}

static void parameters_validate(sp_violations *v, yyjson_mut_val *p, const sp_path *path)
{
	static const char *const scopes[] = {"Cluster", "Namespace"};
	sp_str scope = sp_kv_str(p, "scope"), ns = sp_kv_str(p, "namespace");
	const sp_path *at = SP_AT(path, "namespace");
	if (p == NULL)
		return;
	reference(v, p, path);
	if (!sp_kv_has(p, "scope"))
		sp_v_required(v, SP_AT(path, "scope"), "%s", "");
	else if (!SP_STR_IN(scope, scopes))
		sp_v_not_supported(v, SP_AT(path, "scope"), scope, scopes, SP_LEN(scopes));
	else if (sp_str_eq(scope, SP_STR("Cluster")) && sp_kv_has(p, "namespace"))
		sp_v_forbidden(v, at, "`parameters.scope` is set to 'Cluster'");
	else if (sp_str_eq(scope, SP_STR("Namespace")) && !sp_kv_has(p, "namespace"))
		sp_v_required(v, at, "`parameters.scope` is set to 'Namespace'");
	else if (sp_str_eq(scope, SP_STR("Namespace")))
		sp_v_dns1123_label(v, at, ns);
}

static void class_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	sp_str controller = sp_kv_str(spec, "controller");
	sp_meta_validate(c, obj);
	if (controller.len > CONTROLLER_BYTES_MAX)
		sp_v_too_long(c->errors, SP_PATH("spec.controller"), CONTROLLER_BYTES_MAX);
	sp_v_domain_prefixed_path(c->errors, SP_PATH("spec.controller"), controller);
	parameters_validate(c->errors, sp_kv_get(spec, "parameters"), SP_PATH("spec.parameters"));
}

static void class_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	sp_str controller = sp_kv_str(sp_kv_get(obj, "spec"), "controller");
	if (!sp_str_eq(controller, sp_kv_str(sp_kv_get(old, "spec"), "controller")))
		sp_v_invalid(c->errors, SP_PATH("spec.controller"), controller, "field is immutable");
	class_validate(c, obj);
}

static yyjson_mut_val *class_name_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	bool is_default = sp_str_eq(sp_meta_annotation(obj, "ingressclass.kubernetes.io/is-default-class"),
				    SP_STR("true"));
	sp_str name = sp_meta_name(obj);
	return sp_cell_printf(c, SP_FMT "%s", SP_ARG(name), is_default ? " (default)" : "");
}

static yyjson_mut_val *class_parameters_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *p = sp_kv_path(obj, "spec", "parameters", NULL);
	sp_str kind = sp_kv_str(p, "kind"), group = sp_kv_str(p, "apiGroup"), name = sp_kv_str(p, "name");
	if (p == NULL)
		return sp_cell_str(c, SP_STR("<none>"));
	return sp_cell_printf(c, SP_FMT "%s" SP_FMT "/" SP_FMT, SP_ARG(kind),
			      sp_kv_has(p, "apiGroup") ? "." : "", SP_ARG(group), SP_ARG(name));
}

static const sp_cell class_cells[] = {{SP_STR_INIT("Name"), class_name_cell},
				      {SP_STR_INIT("Parameters"), class_parameters_cell}};

const sp_kind_hooks sp_hooks_ingress_class = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION,
	.defaults = class_defaults,
	.validate = class_validate,
	.validate_update = class_validate_update,
	.cells = class_cells,
	.n_cells = SP_LEN(class_cells),
};
