/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults of pods and templates. U: kubernetes pkg/apis/core/v1/{defaults,zz_generated.defaults}.go. */
#include "kube/kinds/pod_int.h"
#include "kube/kinds/pvc.h"
#include "kube/kinds/resource_lists.h"
#include "kube/kinds/resources.h"

static bool is_tag_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '.' || c == '-';
}

/* One part of a repository's path: letters and digits, joined by ".", "_", "__" or dashes. */
static bool is_path_part(sp_str s)
{
	size_t run = 0; /* of the joining characters just seen */
	for (size_t i = 0; i < s.len; i++) {
		char ch = s.ptr[i];
		bool joins = ch == '.' || ch == '_' || ch == '-';
		if (!is_tag_char(ch) || (ch >= 'A' && ch <= 'Z'))
			return false;
		bool again = run > 0 && ((ch == '-' && s.ptr[i - 1] == '-') ||
					 (ch == '_' && s.ptr[i - 1] == '_' && run == 1));
		if (joins && (i == 0 || i + 1 == s.len || (run > 0 && !again)))
			return false;
		run = joins ? run + 1 : 0;
	}
	return s.len > 0;
}

static bool is_repository(sp_str s)
{
	sp_str rest = s, part;
	while (sp_str_cut(&rest, '/', &part)) {
		if (!is_path_part(part))
			return false;
	}
	return is_path_part(rest);
}

static bool is_host_part(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_tag_char(s.ptr[i]) || s.ptr[i] == '_' || s.ptr[i] == '.')
			return false;
	}
	return s.len > 0 && s.ptr[0] != '-' && s.ptr[s.len - 1] != '-';
}

/* Host names, with a port; addresses of IPv6 in brackets. */
static bool is_host(sp_str s)
{
	sp_str name = s, part;
	bool v6 = s.len > 0 && s.ptr[0] == '[';
	ptrdiff_t colon = sp_str_rindex(s, ':'), bracket = sp_str_rindex(s, ']');
	if (colon > bracket) {
		name = sp_str_sub(s, 0, (size_t)colon);
		sp_str port = sp_str_sub(s, (size_t)colon + 1, s.len);
		for (size_t i = 0; i < port.len; i++) {
			if (port.ptr[i] < '0' || port.ptr[i] > '9')
				return false;
		}
		if (port.len == 0)
			return false;
	}
	if (v6)
		return name.len > 2 && name.ptr[name.len - 1] == ']';
	while (sp_str_cut(&name, '.', &part)) {
		if (!is_host_part(part))
			return false;
	}
	return is_host_part(name);
}

static bool has_upper(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z')
			return true;
	}
	return false;
}

#define REPOSITORY_BYTES_MAX 255u

/* True for a repository that a reference may name: a path, after a host where one stands. */
static bool is_image_name(sp_str name)
{
	sp_str rest = name, host;
	size_t library = sp_str_index(name, '/') < 0 ? sizeof "library/" - 1 : 0;
	if (sp_str_cut(&rest, '/', &host) && (sp_str_index(host, '.') >= 0 || sp_str_index(host, ':') >= 0 ||
					      has_upper(host) || sp_str_eq(host, SP_STR("localhost")))) {
		if (!is_host(host))
			return false;
		name = rest;
	}
	return is_repository(name) && name.len + library <= REPOSITORY_BYTES_MAX;
}

static bool is_tag(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_tag_char(s.ptr[i]))
			return false;
	}
	return s.len > 0 && s.len <= 128 && s.ptr[0] != '.' && s.ptr[0] != '-';
}

/* True when an image without a better word is pulled always: tag "latest", written or meant. */
static bool is_latest(sp_str image)
{
	sp_str digest = image, name;
	bool has_digest = sp_str_cut(&digest, '@', &name);
	if (!has_digest)
		name = image;
	ptrdiff_t slash = sp_str_rindex(name, '/'), colon = sp_str_rindex(name, ':');
	sp_str tag = {NULL, 0};
	if (colon > slash) {
		tag = sp_str_sub(name, (size_t)colon + 1, name.len);
		name = sp_str_sub(name, 0, (size_t)colon);
		if (!is_tag(tag))
			return false; /* not a reference at all */
	}
	if (!is_image_name(name))
		return false;
	return tag.len > 0 ? sp_str_eq(tag, SP_STR("latest")) : !has_digest;
}

static void pull_policy(sp_kind_ctx *c, yyjson_mut_val *holder, const char *member, const char *image)
{
	sp_default_str(c, holder, member, is_latest(sp_kv_str(holder, image)) ? "Always" : "IfNotPresent");
}

static void volume(sp_kind_ctx *c, yyjson_mut_val *v)
{
	yyjson_mut_val *source;
	bool any = false;
	SP_KV_EACH_MEMBER (key, val, i, v)
		any = any || (!sp_str_eq(sp_jmut_str(key), SP_STR("name")) && !yyjson_mut_is_null(val));
	if (!any)
		SP_KIND_NEED(c, sp_kv_need_obj(c->doc, v, "emptyDir") != NULL);
	if ((source = sp_kv_get(v, "image")) != NULL)
		pull_policy(c, source, "pullPolicy", "reference");
	if ((source = sp_kv_path(v, "ephemeral", "volumeClaimTemplate", "spec", NULL)) != NULL)
		sp_pvc_spec_defaults(c, source);
}

static void container_defaults(sp_kind_ctx *c, yyjson_mut_val *container)
{
	yyjson_mut_val *resources = sp_kv_get(container, "resources");
	pull_policy(c, container, "imagePullPolicy", "image");
	sp_res_list_round(c, sp_kv_map(resources, "limits"));
	sp_res_list_round(c, sp_kv_map(resources, "requests"));
}

void sp_pod_spec_defaults(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	sp_str account = sp_kv_str(spec, "serviceAccountName"),
	       old_account = sp_kv_str(spec, "serviceAccount");
	if (!yyjson_mut_is_obj(spec))
		return;
	SP_KV_EACH (v, i, sp_kv_list(spec, "volumes"))
		volume(c, v);
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list]))
			container_defaults(c, container);
	}
	sp_res_list_round(c, sp_kv_map(spec, "overhead"));
	sp_res_list_round(c, sp_kv_map(sp_kv_get(spec, "resources"), "limits"));
	sp_res_list_round(c, sp_kv_map(sp_kv_get(spec, "resources"), "requests"));
	/* the deprecated alias mirrors the name, and stands for it when the name is missing */
	if (account.len == 0 && old_account.len > 0)
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, spec, "serviceAccountName", old_account));
	else if (!sp_str_eq(account, old_account))
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, spec, "serviceAccount", account));
}

void sp_pod_template_defaults(sp_kind_ctx *c, yyjson_mut_val *pod_template)
{
	sp_pod_spec_defaults(c, sp_kv_get(pod_template, "spec"));
}

/* Limits stand for requests that are not given. */
static void requests_from_limits(sp_kind_ctx *c, yyjson_mut_val *container)
{
	yyjson_mut_val *resources = sp_kv_get(container, "resources"),
		       *limits = sp_kv_map(resources, "limits");
	if (limits != NULL)
		sp_res_list_fill(c, resources, "requests", limits, NULL);
}

static bool pod_request(sp_str name)
{
	return sp_res_is_pod_level(name) && sp_res_overcommit_allowed(name);
}

/* Makes a resource list of sums. */
static yyjson_mut_val *list_of(sp_kind_ctx *c, const sp_map *sums)
{
	yyjson_mut_val *list = yyjson_mut_obj(c->doc);
	const sp_map_entry *e;
	for (size_t i = 0; list != NULL && (e = sp_map_next(sums, &i)) != NULL;) {
		sp_str text = sp_qty_print(c->arena, *(const sp_qty *)e->value);
		SP_KIND_NEED(c, text.ptr != NULL && sp_jmut_set_str(c->doc, list, e->key, text));
	}
	SP_KIND_NEED(c, list != NULL);
	return list;
}

static void fill_from_sums(sp_kind_ctx *c, yyjson_mut_val *spec, yyjson_mut_val *resources, const char *which,
			   const sp_strset *except, bool (*wanted)(sp_str name))
{
	sp_map sums;
	sp_map_init(&sums);
	SP_KIND_NEED(c, sp_pod_aggregate(c->arena, spec, which, &sums));
	const sp_map_entry *e;
	for (size_t i = 0; except != NULL && (e = sp_map_next(&except->map, &i)) != NULL;)
		(void)sp_map_remove(&sums, e->key);
	yyjson_mut_val *list = list_of(c, &sums);
	if (sp_kv_len(list) > 0)
		sp_res_list_fill(c, resources, which, list, wanted);
	sp_map_done(&sums);
}

/* Pods with resources of their own. */
static void pod_level(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	yyjson_mut_val *resources = sp_kv_get(spec, "resources");
	SP_AUTO_STRSET requested = {.map = {0}};
	sp_violations scratch;
	sp_violations_init(&scratch, c->arena);
	if (sp_kv_map(resources, "limits") == NULL && sp_kv_map(resources, "requests") == NULL)
		return;
	SP_KV_EACH_MEMBER (key, val, i, sp_kv_map(resources, "requests")) {
		(void)val;
		(void)sp_strset_add(&requested, sp_jmut_str(key), &scratch);
	}
	SP_KIND_NEED(c, scratch.code == SP_OK);
	fill_from_sums(c, spec, resources, "limits", &requested, sp_res_is_hugepage);
	if (sp_kv_map(resources, "limits") == NULL)
		return;
	fill_from_sums(c, spec, resources, "requests", NULL, pod_request);
	sp_res_list_fill(c, resources, "requests", sp_kv_map(resources, "limits"), sp_res_is_pod_level);
}

static void host_ports(sp_kind_ctx *c, yyjson_mut_val *container)
{
	SP_KV_EACH (port, i, sp_kv_list(container, "ports")) {
		int64_t inside = sp_kv_i64(port, "containerPort", 0);
		if (inside != 0)
			sp_default_nonzero(c, port, "hostPort", inside);
	}
}

/* podIP is the first of podIPs; where both are given and differ, it wins. */
static void pod_ips(sp_kind_ctx *c, yyjson_mut_val *status)
{
	sp_str ip = sp_kv_str(status, "podIP");
	yyjson_mut_val *ips = sp_kv_list(status, "podIPs"), *first = yyjson_mut_arr_get_first(ips);
	if (ip.len == 0) {
		if (first != NULL)
			SP_KIND_NEED(c, sp_kv_set_str(c->doc, status, "podIP", sp_kv_str(first, "ip")));
		return;
	}
	if (first != NULL && sp_str_eq(sp_kv_str(first, "ip"), ip))
		return;
	yyjson_mut_val *list = yyjson_mut_arr(c->doc), *item = yyjson_mut_obj(c->doc);
	SP_KIND_NEED(c, list != NULL && item != NULL && sp_kv_set_str(c->doc, item, "ip", ip) &&
				yyjson_mut_arr_append(list, item) &&
				sp_kv_set(c->doc, status, "podIPs", list));
}

void sp_pod_defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	if (!yyjson_mut_is_obj(spec))
		return;
	sp_pod_spec_defaults(c, spec);
	if (sp_kv_i64(spec, "terminationGracePeriodSeconds", 0) < 0) /* of pods, not of templates */
		SP_KIND_NEED(c, sp_kv_set_i64(c->doc, spec, "terminationGracePeriodSeconds", 1));
	for (size_t list = SP_POD_INIT; list <= SP_POD_REGULAR; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list])) {
			requests_from_limits(c, container);
			if (sp_kv_bool(spec, "hostNetwork"))
				host_ports(c, container);
		}
	}
	pod_level(c, spec);
	sp_default_bool(c, spec, "enableServiceLinks", true);
	pod_ips(c, sp_kv_get(obj, "status"));
}
