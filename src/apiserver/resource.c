/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/resource.h"

#include <stdio.h>

#include "base/hash.h"

#define RESOURCES_BYTES_MAX ((size_t)4 << 20)

/* Where upstream keeps what is not under the resource's own name; an existing store stays readable.
 * U: kubernetes pkg/kubeapiserver/default_storage_factory_builder.go. */
static const struct {
	sp_str group, plural, prefix;
} special_prefixes[] = {
	{SP_STR_INIT(""), SP_STR_INIT("endpoints"), SP_STR_INIT("services/endpoints")},
	{SP_STR_INIT(""), SP_STR_INIT("nodes"), SP_STR_INIT("minions")},
	{SP_STR_INIT(""), SP_STR_INIT("replicationcontrollers"), SP_STR_INIT("controllers")},
	{SP_STR_INIT(""), SP_STR_INIT("services"), SP_STR_INIT("services/specs")},
	{SP_STR_INIT("apiextensions.k8s.io"), SP_STR_INIT("customresourcedefinitions"),
	 SP_STR_INIT("apiextensions.k8s.io/customresourcedefinitions")},
	{SP_STR_INIT("apiregistration.k8s.io"), SP_STR_INIT("apiservices"),
	 SP_STR_INIT("apiregistration.k8s.io/apiservices")},
	/* Nothing is stored there. */
	{SP_STR_INIT("metrics.k8s.io"), SP_STR_INIT("nodes"), SP_STR_INIT("metrics.k8s.io/nodes")},
	{SP_STR_INIT("metrics.k8s.io"), SP_STR_INIT("pods"), SP_STR_INIT("metrics.k8s.io/pods")},
	{SP_STR_INIT("networking.k8s.io"), SP_STR_INIT("ingresses"), SP_STR_INIT("ingress")},
};

static sp_str store_name(const sp_kind *k)
{
	for (size_t i = 0; i < SP_LEN(special_prefixes); i++) {
		if (sp_str_eq(special_prefixes[i].group, k->group) &&
		    sp_str_eq(special_prefixes[i].plural, k->plural))
			return special_prefixes[i].prefix;
	}
	return k->plural;
}

/* The version of the same resource that is stored. events.k8s.io keeps its events as core does. */
static const sp_kind *stored_version(const sp_kind *k)
{
	if (k->storage)
		return k;
	for (size_t i = 0; i < sp_n_kinds; i++) {
		const sp_kind *other = sp_kinds[i];
		if (other->storage && sp_str_eq(other->plural, k->plural) && sp_str_eq(other->kind, k->kind))
			return other;
	}
	return k;
}

static sp_code make(api_resources *r, const sp_kind *k, api_resource **ret, sp_err *err)
{
	api_resource *res = sp_try_new(&r->arena, api_resource, 1);
	if (res == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the table of resources");
	const sp_kind *stored = stored_version(k);
	sp_str slash = k->group.len > 0 ? SP_STR("/") : SP_STR("");
	*res = (api_resource){.kind = k, .stored = stored, .gr = {k->group, k->plural}};
	res->api_version = sp_arena_printf(&r->arena, SP_FMT SP_FMT SP_FMT, SP_ARG(k->group), SP_ARG(slash),
					   SP_ARG(k->version));
	res->type_meta = sp_arena_printf(&r->arena, "{\"kind\":\"" SP_FMT "\",\"apiVersion\":\"" SP_FMT "\",",
					 SP_ARG(k->kind), SP_ARG(res->api_version));
	res->prefix = sp_arena_printf(&r->arena, "/registry/" SP_FMT "/", SP_ARG(store_name(stored)));
	res->schema_hash = sp_fnv1a64(stored->storage_hash);
	if (res->prefix.ptr == NULL || res->type_meta.ptr == NULL || res->api_version.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the table of resources");
	*ret = res;
	return sp_table_plan_make(&r->arena, k, &res->plan, err);
}

static sp_code add(api_resources *r, const sp_kind *k, sp_err *err)
{
	api_resource *res = NULL;
	SP_TRY(make(r, k, &res, err));
	sp_str kind = sp_arena_printf(&r->arena, SP_FMT "/" SP_FMT "/" SP_FMT, SP_ARG(k->group),
				      SP_ARG(k->version), SP_ARG(k->kind));
	if (kind.ptr == NULL || sp_map_put(&r->by_kind, kind, res, NULL) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for the table of resources");
	if (k->plural.len == 0)
		return SP_OK;
	sp_str path = sp_arena_printf(&r->arena, SP_FMT "/" SP_FMT "/" SP_FMT, SP_ARG(k->group),
				      SP_ARG(k->version), SP_ARG(k->plural));
	if (path.ptr == NULL || sp_map_put(&r->by_path, path, res, NULL) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for the table of resources");
	if (sp_map_put(&r->by_group, k->group, res, NULL) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for the table of resources");
	r->all[r->n++] = res;
	return SP_OK;
}

static void note_versions(api_resources *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const sp_kind *stored = r->all[i]->stored;
		for (size_t k = 0; k < r->n && r->all[i]->kind != stored; k++) {
			if (r->all[k]->kind == stored)
				r->all[k]->has_versions = r->all[i]->has_versions = true;
		}
	}
}

sp_code api_resources_init(api_resources *r, sp_err *err)
{
	*r = (api_resources){0};
	sp_arena_init(&r->arena, RESOURCES_BYTES_MAX);
	sp_map_init(&r->by_path);
	sp_map_init(&r->by_group);
	sp_map_init(&r->by_kind);
	r->all = sp_try_new(&r->arena, api_resource *, sp_n_kinds);
	sp_code code =
		r->all == NULL ? sp_fail(err, SP_ENOMEM, "no memory for the table of resources") : SP_OK;
	for (size_t i = 0; i < sp_n_kinds && code == SP_OK; i++)
		code = add(r, sp_kinds[i], err);
	note_versions(r);
	if (code != SP_OK)
		api_resources_done(r);
	return code;
}

void api_resources_done(api_resources *r)
{
	sp_map_done(&r->by_path);
	sp_map_done(&r->by_group);
	sp_map_done(&r->by_kind);
	sp_arena_done(&r->arena);
}

static const api_resource *look_up(const sp_map *map, sp_str group, sp_str version, sp_str name)
{
	char path[512];
	size_t n = group.len + version.len + name.len + 2;
	if (n >= sizeof path)
		return NULL;
	(void)snprintf(path, sizeof path, SP_FMT "/" SP_FMT "/" SP_FMT, SP_ARG(group), SP_ARG(version),
		       SP_ARG(name));
	return sp_map_get(map, (sp_str){path, n});
}

const api_resource *api_resource_find(const api_resources *r, sp_str group, sp_str version, sp_str plural)
{
	return look_up(&r->by_path, group, version, plural);
}

const api_resource *api_resource_by_kind(const api_resources *r, sp_str group, sp_str version, sp_str kind)
{
	return look_up(&r->by_kind, group, version, kind);
}

const api_resource *api_subresource_body(const api_resources *r, const api_resource *res,
					 const sp_subresource *sub)
{
	const api_resource *body;
	if (sub == NULL || sub->kind.len == 0)
		return res;
	if (sub->version.len > 0)
		body = api_resource_by_kind(r, sub->group, sub->version, sub->kind);
	else
		body = api_resource_by_kind(r, res->kind->group, res->kind->version, sub->kind);
	return body == NULL ? res : body;
}

bool api_resource_has_group(const api_resources *r, sp_str group)
{
	return sp_map_get(&r->by_group, group) != NULL;
}

const sp_subresource *api_subresource(const api_resource *res, sp_str name)
{
	for (size_t i = 0; i < res->kind->n_subresources; i++) {
		if (sp_str_eq(res->kind->subresources[i].name, name))
			return &res->kind->subresources[i];
	}
	return NULL;
}
