/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/resources.h"

#include "kube/meta.h"

static const char *const standard_container[] = {"cpu", "memory", "ephemeral-storage"};
static const char *const standard_quota[] = {
	"cpu",
	"memory",
	"ephemeral-storage",
	"requests.cpu",
	"requests.memory",
	"requests.storage",
	"requests.ephemeral-storage",
	"limits.cpu",
	"limits.memory",
	"limits.ephemeral-storage",
	"pods",
	"resourcequotas",
	"services",
	"replicationcontrollers",
	"secrets",
	"persistentvolumeclaims",
	"configmaps",
	"services.nodeports",
	"services.loadbalancers",
};
static const char *const counted[] = {
	"pods",       "resourcequotas",         "services",           "replicationcontrollers", "secrets",
	"configmaps", "persistentvolumeclaims", "services.nodeports", "services.loadbalancers"};

#define HUGEPAGES SP_STR("hugepages-")

bool sp_res_is_hugepage(sp_str name)
{
	return sp_str_starts(name, HUGEPAGES);
}

static bool quota_hugepage(sp_str name)
{
	return sp_res_is_hugepage(name) || sp_str_starts(name, SP_STR("requests.hugepages-"));
}

bool sp_res_is_standard_quota(sp_str name)
{
	return SP_STR_IN(name, standard_quota) || quota_hugepage(name);
}

/* What may stand without a domain anywhere. */
static bool is_standard(sp_str name)
{
	return sp_res_is_standard_quota(name) || sp_str_eq(name, SP_STR("storage"));
}

static bool has_domain(sp_str name)
{
	return sp_str_index(name, '/') >= 0;
}

bool sp_res_is_native(sp_str name)
{
	return !has_domain(name) || sp_str_find(name, SP_STR("kubernetes.io/")) >= 0;
}

bool sp_res_is_extended(sp_str name)
{
	char quota_name[9 + 320];
	if (sp_res_is_native(name) || sp_str_starts(name, SP_STR("requests.")) || name.len > 320)
		return false;
	/* it must also do as a name in a quota */
	memcpy(quota_name, "requests.", 9);
	memcpy(quota_name + 9, name.ptr, name.len);
	return sp_name_qualified((sp_str){quota_name, 9 + name.len}).n == 0;
}

bool sp_res_overcommit_allowed(sp_str name)
{
	return sp_res_is_native(name) && !sp_res_is_hugepage(name);
}

bool sp_res_is_integer(sp_str name)
{
	return SP_STR_IN(name, counted) || sp_res_is_extended(name);
}

bool sp_res_is_pod_level(sp_str name)
{
	return sp_str_eq(name, SP_STR("cpu")) || sp_str_eq(name, SP_STR("memory")) ||
	       sp_res_is_hugepage(name);
}

void sp_res_name_validate(sp_violations *v, const sp_path *path, sp_str name)
{
	sp_name_faults faults = sp_name_qualified(name);
	sp_v_faults(v, path, name, faults);
	if (faults.n == 0 && !has_domain(name) && !is_standard(name))
		sp_v_invalid(v, path, name, "must be a standard resource type or fully qualified");
}

void sp_res_container_name_validate(sp_violations *v, const sp_path *path, sp_str name)
{
	sp_res_name_validate(v, path, name);
	if (!has_domain(name)) {
		if (!SP_STR_IN(name, standard_container) && !sp_res_is_hugepage(name))
			sp_v_invalid(v, path, name, "must be a standard resource for containers");
	} else if (!sp_res_is_native(name) && !sp_res_is_extended(name)) {
		sp_v_invalid(v, path, name, "doesn't follow extended resource name standard");
	}
}

void sp_res_quota_name_validate(sp_violations *v, const sp_path *path, sp_str name)
{
	sp_res_name_validate(v, path, name);
	if (!has_domain(name) && !sp_res_is_standard_quota(name))
		sp_v_invalid(v, path, name, "must be a standard resource for quota");
}

static void pod_name_validate(sp_violations *v, const sp_path *path, sp_str name)
{
	static const char *const supported[] = {"cpu", "hugepages-", "memory"};
	size_t before = v->n + v->dropped;
	sp_res_name_validate(v, path, name);
	if (v->n + v->dropped == before && !sp_res_is_pod_level(name))
		sp_v_not_supported(v, path, sp_bad_named(name), supported, SP_LEN(supported));
}

#define NANOS ((__int128)1000000000)

void sp_res_value_validate(sp_violations *v, const sp_path *path, sp_str name, const yyjson_mut_val *qty)
{
	sp_v_qty_non_negative(v, path, qty);
	/* Upstream looks at thousandths, rounded up: what is below them is whole there too. */
	sp_qty q = sp_kv_qty(qty);
	if (sp_res_is_integer(name) && q.nanos % NANOS != 0 && sp_qty_milli(&q) % 1000 != 0)
		sp_v_invalid(v, path, qty, "must be an integer");
}

static void hugepage_validate(sp_violations *v, const sp_path *path, sp_str name, const sp_qty *q,
			      unsigned options)
{
	sp_qty page;
	sp_str size = sp_str_sub(name, HUGEPAGES.len, name.len);
	if ((options & SP_RES_INDIVISIBLE_HUGEPAGES) != 0)
		return;
	bool good = sp_qty_parse(size, &page, NULL) == SP_OK && page.nanos > 0 && page.nanos % NANOS == 0 &&
		    sp_qty_value(q) % sp_qty_value(&page) == 0;
	if (good)
		return;
	sp_str text = sp_qty_print(v->arena, *q);
	sp_v_invalid(v, path, text, SP_FMT " is not positive integer multiple of " SP_FMT, SP_ARG(text),
		     SP_ARG(name));
}

/* Which families a list names. */
typedef struct families {
	bool cpu_or_memory, hugepages;
} families;

static void list_item(sp_violations *v, const sp_path *path, sp_str name, yyjson_mut_val *qty,
		      unsigned options, families *seen)
{
	if ((options & SP_RES_POD_LEVEL) != 0)
		pod_name_validate(v, path, name);
	else
		sp_res_container_name_validate(v, path, name);
	sp_res_value_validate(v, path, name, qty);
	seen->cpu_or_memory =
		seen->cpu_or_memory || sp_str_eq(name, SP_STR("cpu")) || sp_str_eq(name, SP_STR("memory"));
	seen->hugepages = seen->hugepages || sp_res_is_hugepage(name);
}

static void request_against_limit(sp_violations *v, const sp_path *path, sp_str name, const sp_qty *request,
				  const yyjson_mut_val *limit)
{
	if (limit == NULL) {
		if (!sp_res_overcommit_allowed(name))
			sp_v_required(v, SP_AT(path, "limits"),
				      "Limit must be set for non overcommitable resources");
		return;
	}
	sp_qty bound = sp_kv_qty(limit);
	int order = sp_qty_cmp(request, &bound);
	const char *must = NULL;
	if (order != 0 && !sp_res_overcommit_allowed(name))
		must = "equal";
	else if (order > 0)
		must = "less than or equal";
	if (must == NULL)
		return;
	sp_str text = sp_qty_print(v->arena, *request), bound_text = sp_qty_print(v->arena, bound);
	sp_v_invalid(v, SP_AT(path, "requests"), text, "must be %s to " SP_FMT " limit of " SP_FMT, must,
		     SP_ARG(name), SP_ARG(bound_text));
}

static int cmp_strs(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

static void unknown_claim(sp_violations *v, const sp_path *path, sp_str name, const sp_strset *claims)
{
	size_t n = claims != NULL ? sp_strset_count(claims) : 0, at = 0;
	if (n == 0) {
		sp_v_add_(v, SP_V_NOT_FOUND, path, sp_bad_str(name),
			  "must be one of the names in pod.spec.resourceClaims which is empty");
		return;
	}
	sp_str *names = sp_try_new(v->arena, sp_str, n);
	SP_AUTO_BUF list;
	sp_buf_init(&list, v->arena->limit_bytes);
	if (names == NULL) {
		v->code = SP_ETOOLARGE;
		return;
	}
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&claims->map, &i)) != NULL;)
		names[at++] = e->key;
	qsort(names, n, sizeof(*names), cmp_strs);
	for (size_t i = 0; i < n; i++) {
		(void)sp_buf_str(&list, i > 0 ? SP_STR(", ") : SP_STR(""));
		(void)sp_buf_str(&list, names[i]);
	}
	sp_str text = sp_buf_view(&list);
	sp_v_add_(v, SP_V_NOT_FOUND, path, sp_bad_str(name),
		  "must be one of the names in pod.spec.resourceClaims: " SP_FMT, SP_ARG(text));
}

/* A name stands alone, or with requests "name/request", each once. */
static void claims_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *list,
			    const sp_strset *known)
{
	SP_AUTO_STRSET seen = {.map = {0}}, with_request = {.map = {0}};
	SP_KV_EACH (claim, i, list) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str name = sp_kv_str(claim, "name"), request = sp_kv_str(claim, "request"), key = name;
		if (name.len == 0) {
			sp_v_required(v, at, "%s", "");
		} else if (sp_strset_has(&seen, name)) {
			sp_v_duplicate(v, at, name);
		} else if (request.len > 0) {
			sp_v_dns1123_label(v, SP_AT(at, "request"), request);
			key = sp_arena_printf(v->arena, SP_FMT "/" SP_FMT, SP_ARG(name), SP_ARG(request));
			(void)sp_strset_add(&with_request, name, v);
			if (!sp_strset_add(&seen, key, v))
				sp_v_duplicate(v, at, key);
		} else {
			if (sp_strset_has(&with_request, name))
				sp_v_duplicate(v, at, name);
			(void)sp_strset_add(&seen, name, v);
		}
		if (name.len > 0 && (known == NULL || !sp_strset_has(known, name)))
			unknown_claim(v, at, name, known);
	}
}

void sp_res_requirements_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *requirements,
				  const sp_strset *claims, unsigned options)
{
	families limit_seen = {.hugepages = false}, request_seen = {.hugepages = false};
	yyjson_mut_val *limits = sp_kv_map(requirements, "limits");
	sp_map by_name;
	sp_map_init(&by_name);
	SP_KV_EACH_MEMBER (key, qty, i, limits) {
		sp_str name = sp_jmut_str(key);
		const sp_path *at = SP_AT_KEY(SP_AT(path, "limits"), name);
		sp_qty q = sp_kv_qty(qty);
		list_item(v, at, name, qty, options, &limit_seen);
		if (sp_res_is_hugepage(name))
			hugepage_validate(v, at, name, &q, options);
		if (sp_map_put(&by_name, name, qty, NULL) != SP_OK)
			v->code = SP_ENOMEM;
	}
	SP_KV_EACH_MEMBER (key, qty, i, sp_kv_map(requirements, "requests")) {
		sp_str name = sp_jmut_str(key);
		const sp_path *at = SP_AT_KEY(SP_AT(path, "requests"), name);
		sp_qty q = sp_kv_qty(qty);
		list_item(v, at, name, qty, options, &request_seen);
		request_against_limit(v, path, name, &q, sp_map_get(&by_name, name));
		if (sp_res_is_hugepage(name))
			hugepage_validate(v, at, name, &q, options);
	}
	sp_map_done(&by_name);
	if (!limit_seen.cpu_or_memory && !request_seen.cpu_or_memory &&
	    (limit_seen.hugepages || request_seen.hugepages))
		sp_v_forbidden(v, path, "HugePages require cpu or memory");
	claims_validate(v, SP_AT(path, "claims"), sp_kv_list(requirements, "claims"), claims);
}
