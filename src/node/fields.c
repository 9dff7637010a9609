/* SPDX-License-Identifier: Apache-2.0 */
#include "node/fields.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/quantity.h"
#include "base/quote.h"
#include "node/resources.h"

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "no memory for the fields of a pod");
}

static int compare_keys(const void *a, const void *b)
{
	sp_str x = sp_json_str(*(yyjson_val *const *)a), y = sp_json_str(*(yyjson_val *const *)b);
	return sp_str_cmp(x, y);
}

/* key="value" lines, sorted; as Go's %q. */
static sp_code format_map(sp_vmap map, sp_arena *a, sp_str *ret, sp_err *err)
{
	SP_AUTO_BUF out;
	size_t n = 0, i, max;
	yyjson_val **keys = sp_try_new(a, yyjson_val *, sp_vmap_count(map) + 1), *key, *val;
	sp_buf_init(&out, (size_t)1 << 20);
	if (keys == NULL)
		return no_room(err);
	*ret = SP_STR("");
	if (map.object == NULL)
		return SP_OK;
	yyjson_obj_foreach(map.object, i, max, key, val)
	{
		keys[n++] = key;
	}
	qsort(keys, n, sizeof(void *), compare_keys);
	for (i = 0; i < n; i++) {
		sp_str k = sp_json_str(keys[i]);
		if (i > 0)
			(void)sp_buf_char(&out, '\n');
		(void)sp_buf_str(&out, k);
		(void)sp_buf_char(&out, '=');
		(void)sp_quote_go(&out, sp_vmap_str(map, k));
	}
	*ret = sp_arena_try_dup(a, sp_buf_view(&out));
	return sp_buf_code(&out) != SP_OK || (ret->ptr == NULL && out.len > 0) ? no_room(err) : SP_OK;
}

static sp_str joined(const sp_str *at, size_t n, sp_arena *a)
{
	sp_str text = n == 0 ? SP_STR("") : at[0];
	for (size_t i = 1; i < n; i++)
		text = SP_CONCAT(a, text, SP_STR(","), at[i]);
	return text;
}

static sp_str first_of(const sp_str *at, size_t n)
{
	return n == 0 ? SP_STR("") : at[0];
}

/* "metadata.labels['x']": the key between the quotes. */
static bool subscript(sp_str path, sp_str name, sp_str *ret_key)
{
	if (!sp_str_take(&path, name) || !sp_str_take(&path, SP_STR("['")) ||
	    !sp_str_ends(path, SP_STR("']")))
		return false;
	*ret_key = sp_str_sub(path, 0, path.len - 2);
	return true;
}

sp_code node_field(const node_field_source *from, sp_str path, sp_arena *a, sp_str *ret, sp_err *err)
{
	const node_pod_view *v = &from->pod->v;
	const struct {
		sp_str path, value;
	} simple[] = {
		{SP_STR("metadata.name"), v->name},
		{SP_STR("metadata.namespace"), v->ns},
		{SP_STR("metadata.uid"), v->uid},
		{SP_STR("spec.nodeName"), v->node},
		{SP_STR("spec.serviceAccountName"), v->service_account},
		{SP_STR("status.hostIP"), first_of(from->host_ips, from->n_host_ips)},
		{SP_STR("status.podIP"), first_of(from->pod_ips, from->n_pod_ips)},
		{SP_STR("status.hostIPs"), joined(from->host_ips, from->n_host_ips, a)},
		{SP_STR("status.podIPs"), joined(from->pod_ips, from->n_pod_ips, a)},
	};
	sp_str key;
	for (size_t i = 0; i < SP_LEN(simple); i++) {
		if (sp_str_eq(path, simple[i].path)) {
			*ret = simple[i].value;
			return SP_OK;
		}
	}
	if (subscript(path, SP_STR("metadata.labels"), &key)) {
		*ret = sp_vmap_str(v->labels, key);
		return SP_OK;
	}
	if (subscript(path, SP_STR("metadata.annotations"), &key)) {
		*ret = sp_vmap_str(v->annotations, key);
		return SP_OK;
	}
	if (sp_str_eq(path, SP_STR("metadata.labels")))
		return format_map(v->labels, a, ret, err);
	if (sp_str_eq(path, SP_STR("metadata.annotations")))
		return format_map(v->annotations, a, ret, err);
	return sp_fail(err, SP_EINVAL, "unsupported fieldPath: " SP_FMT, SP_ARG(path));
}

/* ---- amounts ---- */

/* ceil(amount / divisor), both in the same unit; the divisor is 1 where it is absent or 0. */
static sp_code divided(int64_t amount, int64_t divisor, sp_arena *a, sp_str *ret, sp_err *err)
{
	int64_t by = divisor <= 0 ? 1 : divisor;
	*ret = sp_arena_printf(a, "%" PRId64, amount / by + (amount % by != 0));
	return ret->ptr == NULL ? no_room(err) : SP_OK;
}

/* Of the pod, else of the node, for limits that are not set. U: defaultPodLimitsForDownwardAPI. */
static int64_t allocatable(const node_field_source *from, sp_str resource)
{
	yyjson_val *limits = sp_view_at(from->pod->v.resources, "limits");
	int64_t own = node_amount((sp_vmap){.object = yyjson_is_obj(limits) ? limits : NULL}, resource,
				  sp_str_eq(resource, SP_STR("cpu")));
	if (own > 0 && !sp_str_eq(resource, SP_STR("ephemeral-storage")))
		return own;
	if (sp_str_eq(resource, SP_STR("cpu")))
		return from->cpu_milli;
	if (sp_str_eq(resource, SP_STR("memory")))
		return from->memory_bytes;
	return sp_str_eq(resource, SP_STR("ephemeral-storage")) ? from->ephemeral_bytes : 0;
}

sp_code node_resource_field(const node_field_source *from, const node_container *c, yyjson_val *ref,
			    sp_arena *a, sp_str *ret, sp_err *err)
{
	sp_str name = sp_view_str_at(ref, "containerName"), resource = sp_view_str_at(ref, "resource");
	sp_str divisor_text = sp_view_str_at(ref, "divisor"), which = resource;
	if (name.len != 0)
		c = node_pod_container(from->pod, name);
	if (c == NULL)
		return sp_fail(err, SP_EINVAL, "container " SP_FMT " not found", SP_ARG(name));
	bool limits = sp_str_take(&which, SP_STR("limits."));
	if (!limits && !sp_str_take(&which, SP_STR("requests.")))
		return sp_fail(err, SP_EINVAL, "unsupported container resource : " SP_FMT, SP_ARG(resource));
	bool milli = sp_str_eq(which, SP_STR("cpu"));
	int64_t amount = node_amount(limits ? c->v.limits : c->v.requests, which, milli);
	if (amount <= 0 && limits)
		amount = allocatable(from, which);
	sp_qty q = {0};
	if (divisor_text.len == 0 || sp_qty_parse(divisor_text, &q, NULL) != SP_OK || q.nanos == 0)
		q.nanos = 1000000000;
	return divided(SP_MAX(amount, 0), milli ? sp_qty_milli(&q) : sp_qty_value(&q), a, ret, err);
}
