/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/discovery.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/json_out.h"
#include "base/num.h"

/* -- versions ------------------------------------------------------------------------------------------- */

typedef struct kube_version {
	uint8_t stage; /* 2: stable, 1: beta, 0: alpha */
	uint64_t major, minor;
} kube_version;

static bool take_number(sp_str *in, uint64_t *ret)
{
	size_t n = 0;
	while (n < in->len && in->ptr[n] >= '0' && in->ptr[n] <= '9')
		n++;
	if (n == 0 || in->ptr[0] == '0')
		return false;
	if (sp_parse_u64(sp_str_sub(*in, 0, n), 0, INT64_MAX, ret, NULL) != SP_OK)
		return false;
	*in = sp_str_sub(*in, n, in->len);
	return true;
}

static bool parse_version(sp_str s, kube_version *ret)
{
	*ret = (kube_version){.stage = 2};
	if (!sp_str_take(&s, SP_STR("v")) || !take_number(&s, &ret->major))
		return false;
	if (s.len == 0)
		return true;
	ret->stage = sp_str_take(&s, SP_STR("beta")) ? 1 : 0;
	return (ret->stage == 1 || sp_str_take(&s, SP_STR("alpha"))) && take_number(&s, &ret->minor) &&
	       s.len == 0;
}

int sp_kube_version_cmp(sp_str a, sp_str b)
{
	kube_version x, y;
	bool ok_a = parse_version(a, &x), ok_b = parse_version(b, &y);
	if (!ok_a && !ok_b)
		return sp_str_cmp(b, a);
	if (!ok_a || !ok_b)
		return ok_a ? 1 : -1;
	if (x.stage != y.stage)
		return x.stage > y.stage ? 1 : -1;
	if (x.major != y.major)
		return x.major > y.major ? 1 : -1;
	return (x.minor > y.minor) - (x.minor < y.minor);
}

/* -- the catalog ---------------------------------------------------------------------------------------- */

typedef struct priority {
	sp_str group;
	int32_t value;
} priority;

static const priority group_priorities[] = {
	{SP_STR_INIT("apiregistration.k8s.io"), 20000},
	{SP_STR_INIT(""), 18000},
	{SP_STR_INIT("apps"), 17800},
	{SP_STR_INIT("events.k8s.io"), 17750},
	{SP_STR_INIT("authentication.k8s.io"), 17700},
	{SP_STR_INIT("authorization.k8s.io"), 17600},
	{SP_STR_INIT("autoscaling"), 17500},
	{SP_STR_INIT("batch"), 17400},
	{SP_STR_INIT("certificates.k8s.io"), 17300},
	{SP_STR_INIT("networking.k8s.io"), 17200},
	{SP_STR_INIT("policy"), 17100},
	{SP_STR_INIT("rbac.authorization.k8s.io"), 17000},
	{SP_STR_INIT("storage.k8s.io"), 16800},
	{SP_STR_INIT("apiextensions.k8s.io"), 16700},
	{SP_STR_INIT("admissionregistration.k8s.io"), 16700},
	{SP_STR_INIT("scheduling.k8s.io"), 16600},
	{SP_STR_INIT("coordination.k8s.io"), 16500},
	{SP_STR_INIT("node.k8s.io"), 16300},
	{SP_STR_INIT("discovery.k8s.io"), 16200},
	{SP_STR_INIT("resource.k8s.io"), 16200},
	{SP_STR_INIT("flowcontrol.apiserver.k8s.io"), 16100},
	{SP_STR_INIT("metrics.k8s.io"), 100},
};
/* Of CRD groups, and of built-in groups that the table does not name. */
#define GROUP_PRIORITY_CUSTOM 1000
#define VERSION_PRIORITY_CUSTOM 100
/* All built-in versions are stable ones; their names order them. */
#define VERSION_PRIORITY_BUILTIN 15

static int32_t builtin_priority(sp_str group)
{
	for (size_t i = 0; i < SP_LEN(group_priorities); i++)
		if (sp_str_eq(group_priorities[i].group, group))
			return group_priorities[i].value;
	return GROUP_PRIORITY_CUSTOM;
}

/* A kind or a remote on its way into the catalog. */
typedef struct entry {
	sp_str group, version;
	const sp_kind *kind;
	const sp_disc_remote *remote;
	/* 0 remote, 1 built in, 2 custom: the first that has a version has all of it. A remote is asked
	 * instead of ourselves, so it is what is told of. */
	uint8_t source;
} entry;

enum { FROM_CUSTOM, FROM_REMOTE, FROM_BUILTIN };

static int by_place(const void *x, const void *y)
{
	const entry *a = x, *b = y;
	int c = sp_str_cmp(a->group, b->group);
	if (c == 0)
		c = sp_str_cmp(a->version, b->version);
	if (c == 0)
		c = (a->source > b->source) - (a->source < b->source);
	return c != 0 || a->kind == NULL || b->kind == NULL ? c
							    : sp_str_cmp(a->kind->plural, b->kind->plural);
}

static int by_priority(const void *x, const void *y)
{
	const sp_disc_version *a = x, *b = y;
	if (!sp_str_eq(a->group, b->group)) {
		if (a->group_priority != b->group_priority)
			return a->group_priority > b->group_priority ? -1 : 1;
		return sp_str_cmp(a->group, b->group);
	}
	if (a->version_priority != b->version_priority)
		return a->version_priority > b->version_priority ? -1 : 1;
	return sp_kube_version_cmp(b->version, a->version);
}

static size_t collect(entry *entries, const sp_disc_source *from)
{
	size_t n = 0;
	for (size_t i = 0; i < from->n_builtin; i++) {
		const sp_kind *k = from->builtin[i];
		if (k->plural.len > 0)
			entries[n++] = (entry){k->group, k->version, k, NULL, FROM_BUILTIN};
	}
	for (size_t i = 0; i < from->n_custom; i++)
		entries[n++] = (entry){from->custom[i]->group, from->custom[i]->version, from->custom[i],
				       NULL, FROM_CUSTOM};
	for (size_t i = 0; i < from->n_remotes; i++)
		entries[n++] = (entry){from->remotes[i].group, from->remotes[i].version, NULL,
				       &from->remotes[i], FROM_REMOTE};
	return n;
}

/* A group has one priority: the highest that any of its versions has. */
static void level_groups(sp_disc_version *v, size_t n)
{
	for (size_t i = 0, end; i < n; i = end) {
		int32_t max = v[i].group_priority;
		for (end = i; end < n && sp_str_eq(v[end].group, v[i].group); end++)
			max = SP_MAX(max, v[end].group_priority);
		for (size_t k = i; k < end; k++)
			v[k].group_priority = max;
	}
}

static sp_disc_version make_version(const entry *e, const sp_kind **kinds)
{
	sp_disc_version v = {.group = e->group,
			     .version = e->version,
			     .kinds = kinds,
			     .custom = e->source == FROM_CUSTOM,
			     .remote = e->remote};
	if (e->remote != NULL) {
		v.group_priority = e->remote->group_priority;
		v.version_priority = e->remote->version_priority;
	} else {
		v.group_priority = v.custom ? GROUP_PRIORITY_CUSTOM : builtin_priority(e->group);
		v.version_priority = v.custom ? VERSION_PRIORITY_CUSTOM : VERSION_PRIORITY_BUILTIN;
	}
	return v;
}

sp_code sp_disc_build(sp_arena *a, const sp_disc_source *from, sp_disc *ret)
{
	size_t max = from->n_builtin + from->n_custom + from->n_remotes;
	entry *entries = sp_try_new(a, entry, max + 1);
	const sp_kind **kinds = sp_try_new(a, const sp_kind *, max + 1);
	sp_disc_version *versions = sp_try_new(a, sp_disc_version, max + 1);
	if (entries == NULL || kinds == NULL || versions == NULL)
		return SP_ETOOLARGE;
	size_t n = collect(entries, from), n_versions = 0, n_kinds = 0;
	if (n > 1)
		qsort(entries, n, sizeof(*entries), by_place);
	for (size_t i = 0; i < n; i++) {
		const entry *e = &entries[i], *first = i > 0 ? &entries[i - 1] : NULL;
		bool same = first != NULL && sp_str_eq(first->group, e->group) &&
			    sp_str_eq(first->version, e->version);
		if (!same)
			versions[n_versions++] = make_version(e, &kinds[n_kinds]);
		sp_disc_version *v = &versions[n_versions - 1];
		uint8_t source = v->remote != NULL ? FROM_REMOTE : v->custom ? FROM_CUSTOM : FROM_BUILTIN;
		if (e->kind == NULL || e->source != source)
			continue;
		kinds[n_kinds++] = e->kind;
		v->n_kinds++;
	}
	level_groups(versions, n_versions);
	if (n_versions > 1)
		qsort(versions, n_versions, sizeof(*versions), by_priority);
	*ret = (sp_disc){.versions = versions, .n = n_versions};
	return SP_OK;
}

const sp_disc_version *sp_disc_find(const sp_disc *d, sp_str group, sp_str version)
{
	for (size_t i = 0; i < d->n; i++)
		if (sp_str_eq(d->versions[i].group, group) && sp_str_eq(d->versions[i].version, version))
			return &d->versions[i];
	return NULL;
}

/* -- shared parts of the documents ---------------------------------------------------------------------- */

static void write_verbs(sp_jout *j, uint8_t verbs, bool custom)
{
	static const struct {
		uint8_t bit;
		sp_str name;
	} rows[] = {{SP_VERB_CREATE, SP_STR_INIT("create")},
		    {SP_VERB_DELETE, SP_STR_INIT("delete")},
		    {SP_VERB_DELETECOLLECTION, SP_STR_INIT("deletecollection")},
		    {SP_VERB_GET, SP_STR_INIT("get")},
		    {SP_VERB_LIST, SP_STR_INIT("list")},
		    {SP_VERB_PATCH, SP_STR_INIT("patch")},
		    {SP_VERB_UPDATE, SP_STR_INIT("update")},
		    {SP_VERB_WATCH, SP_STR_INIT("watch")}};
	/* Kinds of CRDs name them in an order of their own. */
	static const uint8_t custom_order[] = {1, 2, 3, 4, 5, 0, 6, 7};
	sp_jout_member_open(j, SP_STR("verbs"), '[');
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		size_t at = custom ? custom_order[i] : i;
		if ((verbs & rows[at].bit) != 0)
			sp_jout_str(j, rows[at].name);
	}
	sp_jout_close(j, ']');
}

static void write_group_version(sp_jout *j, const sp_disc_version *v)
{
	sp_jout_open(j, '{');
	sp_jout_key(j, SP_STR("groupVersion"));
	/* Names of groups and versions need no escapes. */
	(void)sp_buf_printf(j->out, "\"" SP_FMT "/" SP_FMT "\"", SP_ARG(v->group), SP_ARG(v->version));
	j->comma = true;
	sp_jout_member_str(j, SP_STR("version"), v->version);
	sp_jout_close(j, '}');
}

/* The versions of the group that begins at i; returns where the next one begins. */
static size_t write_group_body(sp_jout *j, const sp_disc *d, size_t i)
{
	size_t end = i;
	sp_jout_member_str(j, SP_STR("name"), d->versions[i].group);
	sp_jout_member_open(j, SP_STR("versions"), '[');
	for (; end < d->n && sp_str_eq(d->versions[end].group, d->versions[i].group); end++)
		write_group_version(j, &d->versions[end]);
	sp_jout_close(j, ']');
	sp_jout_key(j, SP_STR("preferredVersion"));
	write_group_version(j, &d->versions[i]);
	return end;
}

/* -- the plain documents -------------------------------------------------------------------------------- */

sp_code sp_disc_write_api(sp_buf *out, sp_str address)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("APIVersions"));
	sp_jout_member_raw(&j, SP_STR("versions"), SP_STR("[\"v1\"]"));
	sp_jout_member_open(&j, SP_STR("serverAddressByClientCIDRs"), '[');
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("clientCIDR"), SP_STR("0.0.0.0/0"));
	sp_jout_member_str(&j, SP_STR("serverAddress"), address);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

sp_code sp_disc_write_groups(sp_buf *out, const sp_disc *d)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("APIGroupList"));
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_open(&j, SP_STR("groups"), '[');
	for (size_t i = 0; i < d->n;) {
		if (d->versions[i].group.len == 0) {
			i++;
			continue;
		}
		sp_jout_open(&j, '{');
		i = write_group_body(&j, d, i);
		sp_jout_close(&j, '}');
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

sp_code sp_disc_write_group(sp_buf *out, const sp_disc *d, sp_str group)
{
	size_t i = 0;
	while (i < d->n && !sp_str_eq(d->versions[i].group, group))
		i++;
	if (i == d->n || group.len == 0)
		return SP_ENOTFOUND;
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("APIGroup"));
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	(void)write_group_body(&j, d, i);
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

static void write_resource(sp_jout *j, const sp_kind *k, bool custom)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("name"), k->plural);
	sp_jout_member_str(j, SP_STR("singularName"), k->singular);
	sp_jout_member_bool(j, SP_STR("namespaced"), k->namespaced);
	sp_jout_member_str(j, SP_STR("kind"), k->kind);
	write_verbs(j, k->verbs, custom);
	if (k->n_short_names > 0)
		sp_jout_member_strs(j, SP_STR("shortNames"), k->short_names, k->n_short_names);
	if (k->n_categories > 0)
		sp_jout_member_strs(j, SP_STR("categories"), k->categories, k->n_categories);
	if (k->storage_hash.len > 0)
		sp_jout_member_str(j, SP_STR("storageVersionHash"), k->storage_hash);
	sp_jout_close(j, '}');
}

static void write_subresource(sp_jout *j, const sp_kind *k, const sp_subresource *s)
{
	sp_jout_open(j, '{');
	sp_jout_key(j, SP_STR("name"));
	(void)sp_buf_printf(j->out, "\"" SP_FMT "/" SP_FMT "\"", SP_ARG(k->plural), SP_ARG(s->name));
	j->comma = true;
	sp_jout_member_str(j, SP_STR("singularName"), SP_STR(""));
	sp_jout_member_bool(j, SP_STR("namespaced"), k->namespaced);
	if (s->version.len > 0) {
		sp_jout_member_str(j, SP_STR("group"), s->group);
		sp_jout_member_str(j, SP_STR("version"), s->version);
	}
	sp_jout_member_str(j, SP_STR("kind"), s->kind);
	write_verbs(j, s->verbs, false);
	sp_jout_close(j, '}');
}

sp_code sp_disc_write_resources(sp_buf *out, const sp_disc *d, sp_str group, sp_str version)
{
	const sp_disc_version *v = sp_disc_find(d, group, version);
	if (v == NULL || v->remote != NULL)
		return SP_ENOTFOUND;
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("APIResourceList"));
	if (group.len > 0)
		sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_key(&j, SP_STR("groupVersion"));
	(void)sp_buf_printf(out, "\"" SP_FMT "%s" SP_FMT "\"", SP_ARG(group), group.len > 0 ? "/" : "",
			    SP_ARG(version));
	j.comma = true;
	sp_jout_member_open(&j, SP_STR("resources"), '[');
	for (size_t i = 0; i < v->n_kinds; i++) {
		const sp_kind *k = v->kinds[i];
		write_resource(&j, k, v->custom);
		for (uint16_t s = 0; s < k->n_subresources; s++)
			write_subresource(&j, k, &k->subresources[s]);
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

/* -- aggregated discovery ------------------------------------------------------------------------------- */

static void write_response_kind(sp_jout *j, sp_str group, sp_str version, sp_str kind)
{
	sp_jout_member_open(j, SP_STR("responseKind"), '{');
	sp_jout_member_str(j, SP_STR("group"), group);
	sp_jout_member_str(j, SP_STR("version"), version);
	sp_jout_member_str(j, SP_STR("kind"), kind);
	sp_jout_close(j, '}');
}

static void write_aggregated_subresource(sp_jout *j, const sp_disc_version *v, const sp_subresource *s)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("subresource"), s->name);
	if (s->version.len > 0 || !v->custom)
		write_response_kind(j, s->group, s->version, s->kind);
	else
		write_response_kind(j, v->group, v->version, s->kind);
	write_verbs(j, s->verbs, false);
	sp_jout_close(j, '}');
}

static void write_aggregated_kind(sp_jout *j, const sp_disc_version *v, const sp_kind *k)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("resource"), k->plural);
	/* Built-in kinds leave out what their place says already; those of CRDs do not. */
	write_response_kind(j, v->custom ? v->group : SP_STR(""), v->custom ? v->version : SP_STR(""),
			    k->kind);
	sp_jout_member_str(j, SP_STR("scope"), k->namespaced ? SP_STR("Namespaced") : SP_STR("Cluster"));
	sp_jout_member_str(j, SP_STR("singularResource"), k->singular);
	write_verbs(j, k->verbs, v->custom);
	if (k->n_short_names > 0)
		sp_jout_member_strs(j, SP_STR("shortNames"), k->short_names, k->n_short_names);
	if (k->n_categories > 0)
		sp_jout_member_strs(j, SP_STR("categories"), k->categories, k->n_categories);
	if (k->n_subresources > 0) {
		sp_jout_member_open(j, SP_STR("subresources"), '[');
		for (uint16_t s = 0; s < k->n_subresources; s++)
			write_aggregated_subresource(j, v, &k->subresources[s]);
		sp_jout_close(j, ']');
	}
	sp_jout_close(j, '}');
}

static void write_aggregated_version(sp_jout *j, const sp_disc_version *v)
{
	bool stale = v->remote != NULL && v->remote->stale;
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("version"), v->version);
	if (v->remote != NULL && v->remote->resources.len > 0) {
		sp_jout_member_raw(j, SP_STR("resources"), v->remote->resources);
	} else if (v->n_kinds > 0) {
		sp_jout_member_open(j, SP_STR("resources"), '[');
		for (size_t i = 0; i < v->n_kinds; i++)
			write_aggregated_kind(j, v, v->kinds[i]);
		sp_jout_close(j, ']');
	}
	sp_jout_member_str(j, SP_STR("freshness"), stale ? SP_STR("Stale") : SP_STR("Current"));
	sp_jout_close(j, '}');
}

sp_code sp_disc_write_aggregated(sp_buf *out, const sp_disc *d, bool core, sp_str api_version)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("APIGroupDiscoveryList"));
	sp_jout_key(&j, SP_STR("apiVersion"));
	(void)sp_buf_printf(out, "\"apidiscovery.k8s.io/" SP_FMT "\"", SP_ARG(api_version));
	j.comma = true;
	sp_jout_member_raw(&j, SP_STR("metadata"), SP_STR("{}"));
	sp_jout_member_open(&j, SP_STR("items"), '[');
	for (size_t i = 0, end; i < d->n; i = end) {
		const sp_disc_version *first = &d->versions[i];
		for (end = i; end < d->n && sp_str_eq(d->versions[end].group, first->group);)
			end++;
		if (core != (first->group.len == 0))
			continue;
		sp_jout_open(&j, '{');
		sp_jout_member_open(&j, SP_STR("metadata"), '{');
		if (!core)
			sp_jout_member_str(&j, SP_STR("name"), first->group);
		sp_jout_close(&j, '}');
		sp_jout_member_open(&j, SP_STR("versions"), '[');
		for (size_t k = i; k < end; k++)
			write_aggregated_version(&j, &d->versions[k]);
		sp_jout_close(&j, ']');
		sp_jout_close(&j, '}');
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

void sp_disc_etag(char out[SP_DISC_ETAG_BYTES], sp_str document)
{
	static const char digits[] = "0123456789ABCDEF";
	uint64_t h = sp_fnv1a64(document);
	out[0] = '"';
	for (unsigned i = 0; i < 16; i++)
		out[1 + i] = digits[(h >> (60 - 4 * i)) & 15];
	out[17] = '"';
}
