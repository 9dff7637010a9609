/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/plugins/in_tree.h"

#include <stdlib.h>

#define ZONE SP_STR("topology.kubernetes.io/zone")
#define REGION SP_STR("topology.kubernetes.io/region")
#define BETA_ZONE SP_STR("failure-domain.beta.kubernetes.io/zone")
#define BETA_REGION SP_STR("failure-domain.beta.kubernetes.io/region")
#define UNSPECIFIED "UNSPECIFIED"

enum { AWS, GCE, AZURE_DISK };

static const sched_in_tree kinds[] = {
	[AWS] = {"awsElasticBlockStore", SP_STR_INIT("kubernetes.io/aws-ebs"), SP_STR_INIT("ebs.csi.aws.com"),
		 true, SP_STR_INIT("topology.ebs.csi.aws.com/zone"), "volumeID"},
	[GCE] = {"gcePersistentDisk", SP_STR_INIT("kubernetes.io/gce-pd"),
		 SP_STR_INIT("pd.csi.storage.gke.io"), true, SP_STR_INIT("topology.gke.io/zone"), "pdName"},
	[AZURE_DISK] = {"azureDisk", SP_STR_INIT("kubernetes.io/azure-disk"),
			SP_STR_INIT("disk.csi.azure.com"), true, SP_STR_INIT(""), "diskURI"},
	{"cinder", SP_STR_INIT("kubernetes.io/cinder"), SP_STR_INIT("cinder.csi.openstack.org"), true,
	 SP_STR_INIT("topology.cinder.csi.openstack.org/zone"), "volumeID"},
	{"portworxVolume", SP_STR_INIT("kubernetes.io/portworx-volume"), SP_STR_INIT("pxd.portworx.com"),
	 true, SP_STR_INIT(""), "volumeID"},
	{"azureFile", SP_STR_INIT("kubernetes.io/azure-file"), SP_STR_INIT("file.csi.azure.com"), false,
	 SP_STR_INIT(""), "shareName"},
	{"vsphereVolume", SP_STR_INIT("kubernetes.io/vsphere-volume"), SP_STR_INIT("csi.vsphere.vmware.com"),
	 false, SP_STR_INIT(""), "volumePath"},
};

const sched_in_tree *sched_in_tree_of(yyjson_val *holder)
{
	for (size_t i = 0; i < SP_LEN(kinds); i++) {
		if (yyjson_is_obj(yyjson_obj_get(holder, kinds[i].member)))
			return &kinds[i];
	}
	return NULL;
}

const sched_in_tree *sched_in_tree_by_plugin(sp_str plugin)
{
	for (size_t i = 0; i < SP_LEN(kinds); i++) {
		if (sp_str_eq(kinds[i].plugin, plugin))
			return &kinds[i];
	}
	return NULL;
}

/* -- handles -------------------------------------------------------------------------------------------- */

/* "aws://zone/vol-1" is the volume vol-1; what is no such address is the volume's own name. */
static sp_str aws_id(sp_str id)
{
	if (!sp_str_take(&id, SP_STR("aws://")))
		return id;
	ptrdiff_t path = sp_str_index(id, '/');
	id = path < 0 ? (sp_str){0} : sp_str_sub(id, (size_t)path, id.len);
	while (id.len > 0 && id.ptr[0] == '/')
		id = sp_str_sub(id, 1, id.len);
	while (id.len > 0 && id.ptr[id.len - 1] == '/')
		id = sp_str_sub(id, 0, id.len - 1);
	bool plain = sp_str_starts(id, SP_STR("vol-")) && sp_str_index(id, '/') < 0;
	return plain && sp_str_index(id, '?') < 0 && sp_str_index(id, '%') < 0 && sp_str_index(id, '#') < 0
		       ? id
		       : (sp_str){0};
}

/* The disk's own name; empty: not one that the driver can have. */
static sp_str disk_id(const sched_in_tree *k, yyjson_val *source)
{
	sp_str id = sp_json_str(yyjson_obj_get(source, k->id));
	yyjson_val *kind = yyjson_obj_get(source, "kind");
	if (k == &kinds[AWS])
		return aws_id(id);
	if (k == &kinds[AZURE_DISK] && yyjson_is_str(kind) &&
	    !sp_str_eq_nocase(sp_json_str(kind), SP_STR("Managed")))
		return (sp_str){0};
	return id;
}

static sp_code keep(sp_arena *a, sp_str text, sp_str *ret)
{
	*ret = text.len == 0 ? (sp_str){0} : sp_arena_try_dup(a, text);
	return ret->len == text.len ? SP_OK : SP_ENOMEM;
}

static sp_code gce_handle(sp_arena *a, const char *where, sp_str place, sp_str disk, sp_str *ret)
{
	*ret = sp_arena_printf(a, "projects/" UNSPECIFIED "/%s/" SP_FMT "/disks/" SP_FMT, where,
			       SP_ARG(place), SP_ARG(disk));
	return ret->ptr == NULL ? SP_ENOMEM : SP_OK;
}

sp_code sched_in_tree_handle(sp_arena *a, const sched_in_tree *k, yyjson_val *volume, sp_str *ret)
{
	sp_str id = disk_id(k, yyjson_obj_get(volume, k->member));
	if (k == &kinds[GCE])
		return gce_handle(a, "zones", SP_STR(UNSPECIFIED), id, ret);
	return keep(a, id, ret);
}

/* Takes the next of "a__b__c" off the list; also an empty one. False: no more. */
static bool next_zone(sp_str *list, bool *more, sp_str *ret)
{
	if (!*more)
		return false;
	ptrdiff_t at = sp_str_find(*list, SP_STR("__"));
	*more = at >= 0;
	*ret = sp_str_sub(*list, 0, at < 0 ? list->len : (size_t)at);
	*list = at < 0 ? (sp_str){0} : sp_str_sub(*list, (size_t)at + 2, list->len);
	return true;
}

/* "locale-region-zone" is in "locale-region". Empty: no such name. */
static sp_str region_of(sp_str zone)
{
	ptrdiff_t last = sp_str_rindex(zone, '-');
	sp_str region = last < 0 ? (sp_str){0} : sp_str_sub(zone, 0, (size_t)last);
	ptrdiff_t first = sp_str_index(region, '-');
	return first >= 0 && first == sp_str_rindex(region, '-') ? region : (sp_str){0};
}

/* The one region of all the zones. */
static sp_str region_of_zones(sp_str zones)
{
	sp_str zone, region = {0};
	for (bool more = true, first = true; next_zone(&zones, &more, &zone); first = false) {
		sp_str r = region_of(zone);
		if (r.len == 0 || (!first && !sp_str_eq(r, region)))
			return (sp_str){0};
		region = r;
	}
	return region;
}

static sp_str label_text(const sp_label *labels, size_t n, sp_str key)
{
	const sp_str *value = sched_label(labels, n, key);
	return value == NULL ? (sp_str){0} : *value;
}

sp_code sched_in_tree_pv_handle(sp_arena *a, const sched_in_tree *k, yyjson_val *spec, const sp_label *labels,
				size_t n_labels, sp_str *ret)
{
	sp_str id = disk_id(k, yyjson_obj_get(spec, k->member));
	if (k != &kinds[GCE])
		return keep(a, id, ret);
	sp_str zones = label_text(labels, n_labels, BETA_ZONE);
	if (zones.len == 0)
		zones = label_text(labels, n_labels, ZONE);
	if (sp_str_find(zones, SP_STR("__")) < 0)
		return gce_handle(a, "zones", zones.len == 0 ? SP_STR(UNSPECIFIED) : zones, id, ret);
	sp_str region = region_of_zones(zones);
	*ret = (sp_str){0};
	return region.len == 0 ? SP_OK : gce_handle(a, "regions", region, id, ret);
}

/* -- node affinity -------------------------------------------------------------------------------------- */

/* Some term speaks of the label; `with_values`: and says which. */
static bool speak_of(const sched_node_term *terms, size_t n, sp_str key, bool with_values)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t r = 0; r < terms[i].labels.n; r++) {
			const sp_requirement *req = &terms[i].labels.reqs[r];
			if (sp_str_eq(req->key, key) && (!with_values || req->n_values > 0))
				return true;
		}
	}
	return false;
}

/* Does the volume use the old names of zone and region? */
static bool is_beta(const sched_node_term *terms, size_t n, const sp_label *labels, size_t n_labels)
{
	if (speak_of(terms, n, ZONE, false))
		return false;
	if (speak_of(terms, n, BETA_ZONE, false))
		return true;
	return sched_label(labels, n_labels, ZONE) == NULL &&
	       sched_label(labels, n_labels, BETA_ZONE) != NULL;
}

/* A copy of the terms with room for one requirement more in each; of no terms: one that says nothing. */
static sched_node_term *copy_terms(sp_arena *a, const sched_node_term *terms, size_t n)
{
	sched_node_term *copy = sp_try_new(a, sched_node_term, n + 1);
	for (size_t i = 0; copy != NULL && i < n + 1; i++) {
		size_t n_reqs = i < n ? terms[i].labels.n : 0;
		sp_requirement *reqs = sp_try_new(a, sp_requirement, n_reqs + 1);
		if (reqs == NULL)
			return NULL;
		if (i < n)
			copy[i] = terms[i];
		if (n_reqs > 0)
			memcpy(reqs, terms[i].labels.reqs, n_reqs * sizeof *reqs);
		copy[i].labels.reqs = reqs;
	}
	return copy;
}

static sp_requirement *requirements(sched_node_term *t)
{
	return (sp_requirement *)(uintptr_t)t->labels.reqs; /* of copy_terms */
}

static void rename_key(sched_node_term *terms, size_t n, sp_str from, sp_str to)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t r = 0; r < terms[i].labels.n; r++) {
			if (sp_str_eq(terms[i].labels.reqs[r].key, from))
				requirements(&terms[i])[r].key = to;
		}
	}
}

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

/* The zones of a label, sorted; empty ones do not count. Their text is the label's. */
static sp_code zones_of(sp_arena *a, sp_str label, sp_requirement *r)
{
	sp_str *zones = sp_try_new(a, sp_str, label.len / 2 + 2), zone;
	if (zones == NULL)
		return SP_ENOMEM;
	for (bool more = true; next_zone(&label, &more, &zone);) {
		if (zone.len > 0)
			zones[r->n_values++] = zone;
	}
	if (r->n_values > 1)
		qsort(zones, r->n_values, sizeof *zones, by_text);
	r->values = zones;
	r->op = SP_SEL_IN;
	return SP_OK;
}

sp_code sched_in_tree_terms(sp_arena *a, const sched_in_tree *k, const sp_label *labels, size_t n_labels,
			    const sched_node_term **terms, size_t *n_terms, bool *has_terms)
{
	size_t n = *n_terms;
	if (k->zone_key.len == 0)
		return SP_OK;
	bool beta = is_beta(*terms, n, labels, n_labels);
	sp_str zone = beta ? BETA_ZONE : ZONE;
	sched_node_term *copy = copy_terms(a, *terms, n);
	sp_requirement from_label = {.key = k->zone_key};
	if (copy == NULL)
		return SP_ENOMEM;
	if (speak_of(copy, n, zone, true))
		rename_key(copy, n, zone, k->zone_key);
	else
		SP_TRY(zones_of(a, label_text(labels, n_labels, zone), &from_label));
	if (from_label.n_values > 0) {
		n = SP_MAX(n, (size_t)1);
		for (size_t i = 0; i < n; i++)
			requirements(&copy[i])[copy[i].labels.n++] = from_label;
		*has_terms = true;
	}
	if (beta && speak_of(copy, n, BETA_REGION, true))
		rename_key(copy, n, BETA_REGION, REGION);
	*terms = copy;
	*n_terms = n;
	return SP_OK;
}
