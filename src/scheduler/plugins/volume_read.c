/* SPDX-License-Identifier: Apache-2.0 */
/* Claims, volumes, classes, drivers, capacities, nodes' drivers and attachments as the scheduler keeps them.
 */
#include <stdlib.h>

#include "base/num.h"
#include "scheduler/plugins/in_tree.h"
#include "scheduler/plugins/volumes_int.h"

static sp_str text(yyjson_val *object, const char *member)
{
	return sp_json_str(yyjson_obj_get(object, member));
}

static sp_code dup_into(sp_arena *a, sp_str s, sp_str *ret)
{
	*ret = s.len == 0 ? (sp_str){0} : sp_arena_try_dup(a, s);
	return ret->len == s.len ? SP_OK : SP_ENOMEM;
}

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

/* Sorted. */
static sp_code read_texts(sp_arena *a, yyjson_val *list, const sp_str **ret, size_t *ret_n)
{
	sp_str *all = sp_try_new(a, sp_str, yyjson_arr_size(list) + 1);
	size_t n = 0;
	if (all == NULL)
		return SP_ENOMEM;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; n++)
		SP_TRY(dup_into(a, sp_json_str(v), &all[n]));
	if (n > 1)
		qsort(all, n, sizeof *all, by_text);
	*ret = all;
	*ret_n = n;
	return SP_OK;
}

/* What is no quantity was never let in; it counts as nothing. */
static bool read_quantity(yyjson_val *v, sp_qty *ret)
{
	return v != NULL && sp_qty_parse(sp_json_str(v), ret, NULL) == SP_OK;
}

/* A selector that cannot be read selects nothing. */
static sp_code read_selector(sp_arena *a, yyjson_val *v, sp_selector *ret)
{
	sp_code code = sp_labels_of_object(a, v, ret, NULL);
	if (code != SP_EINVAL)
		return code;
	*ret = (sp_selector){.nothing = true};
	return SP_OK;
}

static uint64_t revision_of(yyjson_val *meta)
{
	uint64_t n = 0;
	return sp_parse_u64(text(meta, "resourceVersion"), 0, UINT64_MAX, &n, NULL) == SP_OK ? n : 0;
}

/* The annotation comes before the field, also when it is empty. */
static sp_str class_of(yyjson_val *annotations, yyjson_val *spec)
{
	yyjson_val *old = yyjson_obj_get(annotations, "volume.beta.kubernetes.io/storage-class");
	return old != NULL ? sp_json_str(old) : text(spec, "storageClassName");
}

static bool is_block(yyjson_val *spec)
{
	return sp_str_eq(text(spec, "volumeMode"), SP_STR("Block"));
}

static sp_code read_key(sp_arena *a, yyjson_val *meta, sp_str *ret)
{
	*ret = SP_CONCAT(a, text(meta, "namespace"), SP_STR("/"), text(meta, "name"));
	return ret->ptr == NULL ? SP_ENOMEM : SP_OK;
}

static sp_str controller_of(yyjson_val *meta)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(meta, "ownerReferences"));
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		if (yyjson_get_bool(yyjson_obj_get(v, "controller")))
			return text(v, "uid");
	}
	return (sp_str){0};
}

static sp_code read_wishes(sched_pvc *c, yyjson_val *spec)
{
	yyjson_val *requests = yyjson_obj_get(yyjson_obj_get(spec, "resources"), "requests");
	yyjson_val *selector = yyjson_obj_get(spec, "selector");
	c->has_size = read_quantity(yyjson_obj_get(requests, "storage"), &c->size);
	c->is_block = is_block(spec);
	c->has_selector = selector != NULL && !yyjson_is_null(selector);
	if (c->has_selector)
		SP_TRY(read_selector(&c->arena, selector, &c->selector));
	SP_TRY(dup_into(&c->arena, text(spec, "volumeAttributesClassName"), &c->attributes));
	SP_TRY(read_texts(&c->arena, yyjson_obj_get(spec, "accessModes"), &c->modes, &c->n_modes));
	for (size_t i = 0; i < c->n_modes; i++)
		c->single_pod |= sp_str_eq(c->modes[i], SP_STR("ReadWriteOncePod"));
	return SP_OK;
}

static sp_code read_pvc(yyjson_val *object, sched_pvc *c)
{
	yyjson_val *meta = yyjson_obj_get(object, "metadata"), *spec = yyjson_obj_get(object, "spec");
	yyjson_val *annotations = yyjson_obj_get(meta, "annotations");
	yyjson_val *node = yyjson_obj_get(annotations, "volume.kubernetes.io/selected-node");
	SP_TRY(read_key(&c->arena, meta, &c->key));
	SP_TRY(dup_into(&c->arena, text(meta, "uid"), &c->uid));
	SP_TRY(dup_into(&c->arena, controller_of(meta), &c->controller_uid));
	c->revision = revision_of(meta);
	c->deleting = yyjson_obj_get(meta, "deletionTimestamp") != NULL;
	c->lost = sp_str_eq(text(yyjson_obj_get(object, "status"), "phase"), SP_STR("Lost"));
	SP_TRY(read_wishes(c, spec));
	SP_TRY(dup_into(&c->arena, text(spec, "volumeName"), &c->volume));
	c->bound =
		c->volume.len > 0 && yyjson_obj_get(annotations, "pv.kubernetes.io/bind-completed") != NULL;
	c->has_selected_node = node != NULL;
	SP_TRY(dup_into(&c->arena, sp_json_str(node), &c->selected_node));
	return dup_into(&c->arena, class_of(annotations, spec), &c->class_name);
}

static sp_code read_ref(sched_pv *v, yyjson_val *ref)
{
	if (ref == NULL || yyjson_is_null(ref))
		return SP_OK;
	SP_TRY(read_key(&v->arena, ref, &v->ref_key));
	return dup_into(&v->arena, text(ref, "uid"), &v->ref_uid);
}

/* Which driver's it is, and as which. */
static sp_code read_source(sched_pv *v, yyjson_val *spec)
{
	yyjson_val *csi = yyjson_obj_get(spec, "csi");
	v->is_csi = yyjson_is_obj(csi);
	if (v->is_csi) {
		SP_TRY(dup_into(&v->arena, text(csi, "driver"), &v->driver));
		return dup_into(&v->arena, text(csi, "volumeHandle"), &v->handle);
	}
	const sched_in_tree *k = sched_in_tree_of(spec);
	if (k == NULL || !k->moved)
		return SP_OK;
	v->moved = k;
	v->driver = k->driver;
	SP_TRY(sched_in_tree_pv_handle(&v->arena, k, spec, v->labels, v->n_labels, &v->handle));
	v->unknown = v->handle.len == 0;
	v->moved_terms = v->terms;
	v->n_moved_terms = v->n_terms;
	v->moved_has_terms = v->has_terms;
	return sched_in_tree_terms(&v->arena, k, v->labels, v->n_labels, &v->moved_terms, &v->n_moved_terms,
				   &v->moved_has_terms);
}

static sp_code read_pv(yyjson_val *object, sched_pv *v)
{
	yyjson_val *meta = yyjson_obj_get(object, "metadata"), *spec = yyjson_obj_get(object, "spec");
	yyjson_val *annotations = yyjson_obj_get(meta, "annotations");
	yyjson_val *required = yyjson_obj_get(yyjson_obj_get(spec, "nodeAffinity"), "required");
	SP_TRY(dup_into(&v->arena, text(meta, "name"), &v->name));
	SP_TRY(dup_into(&v->arena, text(meta, "uid"), &v->uid));
	v->revision = revision_of(meta);
	v->deleting = yyjson_obj_get(meta, "deletionTimestamp") != NULL;
	v->by_controller = yyjson_obj_get(annotations, "pv.kubernetes.io/bound-by-controller") != NULL;
	v->available = sp_str_eq(text(yyjson_obj_get(object, "status"), "phase"), SP_STR("Available"));
	v->is_block = is_block(spec);
	(void)read_quantity(yyjson_obj_get(yyjson_obj_get(spec, "capacity"), "storage"), &v->size);
	SP_TRY(dup_into(&v->arena, class_of(annotations, spec), &v->class_name));
	SP_TRY(dup_into(&v->arena, text(spec, "volumeAttributesClassName"), &v->attributes));
	SP_TRY(read_texts(&v->arena, yyjson_obj_get(spec, "accessModes"), &v->modes, &v->n_modes));
	SP_TRY(read_ref(v, yyjson_obj_get(spec, "claimRef")));
	SP_TRY(sched_labels_read(&v->arena, yyjson_obj_get(meta, "labels"), &v->labels, &v->n_labels));
	v->has_terms = required != NULL;
	SP_TRY(sched_node_terms_read(&v->arena, required, &v->terms, &v->n_terms, NULL));
	return read_source(v, spec);
}

/* A term without expressions holds for no node. */
static sp_code read_topology(sp_arena *a, yyjson_val *term, sp_selector *ret)
{
	yyjson_val *list = yyjson_obj_get(term, "matchLabelExpressions");
	sp_requirement *reqs = sp_try_new(a, sp_requirement, yyjson_arr_size(list) + 1);
	size_t n = 0;
	if (reqs == NULL)
		return SP_ENOMEM;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; n++) {
		size_t n_values;
		reqs[n].op = SP_SEL_IN;
		SP_TRY(dup_into(a, text(v, "key"), &reqs[n].key));
		SP_TRY(read_texts(a, yyjson_obj_get(v, "values"), &reqs[n].values, &n_values));
		reqs[n].n_values = (uint32_t)n_values;
	}
	*ret = (sp_selector){.reqs = reqs, .n = n, .nothing = n == 0};
	return SP_OK;
}

static sp_code read_class(yyjson_val *object, sched_storage_class *c)
{
	yyjson_val *list = yyjson_obj_get(object, "allowedTopologies");
	sp_selector *terms = sp_try_new(&c->arena, sp_selector, yyjson_arr_size(list) + 1);
	if (terms == NULL)
		return SP_ENOMEM;
	c->topologies = terms;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;)
		SP_TRY(read_topology(&c->arena, v, &terms[c->n_topologies++]));
	c->waits = sp_str_eq(text(object, "volumeBindingMode"), SP_STR("WaitForFirstConsumer"));
	SP_TRY(dup_into(&c->arena, text(object, "provisioner"), &c->provisioner));
	return dup_into(&c->arena, text(yyjson_obj_get(object, "metadata"), "name"), &c->name);
}

static sp_code read_driver(yyjson_val *object, sched_csi_driver *d)
{
	d->counts_capacity =
		yyjson_get_bool(yyjson_obj_get(yyjson_obj_get(object, "spec"), "storageCapacity"));
	return dup_into(&d->arena, text(yyjson_obj_get(object, "metadata"), "name"), &d->name);
}

static sp_code read_capacity(yyjson_val *object, sched_capacity *c)
{
	yyjson_val *largest = yyjson_obj_get(object, "maximumVolumeSize");
	yyjson_val *topology = yyjson_obj_get(object, "nodeTopology");
	c->has_limit =
		read_quantity(largest != NULL ? largest : yyjson_obj_get(object, "capacity"), &c->limit);
	c->has_topology = topology != NULL && !yyjson_is_null(topology);
	if (c->has_topology)
		SP_TRY(read_selector(&c->arena, topology, &c->topology));
	SP_TRY(dup_into(&c->arena, text(object, "storageClassName"), &c->class_name));
	return read_key(&c->arena, yyjson_obj_get(object, "metadata"), &c->key);
}

static sp_code read_limits(sched_csi_node *n, yyjson_val *drivers)
{
	n->limits = sp_try_new(&n->arena, struct sched_volume_limit, yyjson_arr_size(drivers) + 1);
	if (n->limits == NULL)
		return SP_ENOMEM;
	yyjson_arr_iter it = yyjson_arr_iter_with(drivers);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		yyjson_val *count = yyjson_obj_get(yyjson_obj_get(v, "allocatable"), "count");
		if (!yyjson_is_int(count))
			continue;
		n->limits[n->n_limits].n = yyjson_get_sint(count);
		SP_TRY(dup_into(&n->arena, text(v, "name"), &n->limits[n->n_limits++].driver));
	}
	return SP_OK;
}

static sp_code read_csi_node(yyjson_val *object, sched_csi_node *n)
{
	yyjson_val *meta = yyjson_obj_get(object, "metadata");
	sp_str list = text(yyjson_obj_get(meta, "annotations"),
			   "storage.alpha.kubernetes.io/migrated-plugins"),
	       name;
	sp_str *moved = sp_try_new(&n->arena, sp_str, list.len / 2 + 1);
	if (moved == NULL)
		return SP_ENOMEM;
	n->moved = moved;
	while (sp_str_next(&list, ',', &name)) {
		if (name.len > 0)
			SP_TRY(dup_into(&n->arena, name, &moved[n->n_moved++]));
	}
	SP_TRY(read_limits(n, yyjson_obj_get(yyjson_obj_get(object, "spec"), "drivers")));
	return dup_into(&n->arena, text(meta, "name"), &n->name);
}

static sp_code read_attachment(yyjson_val *object, sched_attachment *x)
{
	yyjson_val *spec = yyjson_obj_get(object, "spec");
	SP_TRY(dup_into(&x->arena, text(spec, "nodeName"), &x->node));
	SP_TRY(dup_into(&x->arena, text(spec, "attacher"), &x->driver));
	SP_TRY(dup_into(&x->arena, text(yyjson_obj_get(spec, "source"), "persistentVolumeName"), &x->volume));
	return dup_into(&x->arena, text(yyjson_obj_get(object, "metadata"), "name"), &x->name);
}

#define BEGINS_SO(type_) \
	_Static_assert(offsetof(type_, arena) == offsetof(sched_volume_object, arena), "key, then arena")
BEGINS_SO(sched_pvc);
BEGINS_SO(sched_pv);
BEGINS_SO(sched_storage_class);
BEGINS_SO(sched_csi_driver);
BEGINS_SO(sched_capacity);
BEGINS_SO(sched_csi_node);
BEGINS_SO(sched_attachment);

size_t sched_volume_size(sched_volume_kind kind)
{
	static const size_t sizes[] = {
		[SCHED_PVC] = sizeof(sched_pvc),
		[SCHED_PV] = sizeof(sched_pv),
		[SCHED_STORAGE_CLASS] = sizeof(sched_storage_class),
		[SCHED_CSI_DRIVER] = sizeof(sched_csi_driver),
		[SCHED_CAPACITY] = sizeof(sched_capacity),
		[SCHED_CSI_NODE] = sizeof(sched_csi_node),
		[SCHED_ATTACHMENT] = sizeof(sched_attachment),
	};
	return sizes[kind];
}

sp_code sched_volume_read(sched_volume_kind kind, yyjson_val *object, sched_volume_object *o)
{
	switch (kind) {
	case SCHED_PVC:
		return read_pvc(object, (sched_pvc *)(void *)o);
	case SCHED_PV:
		return read_pv(object, (sched_pv *)(void *)o);
	case SCHED_STORAGE_CLASS:
		return read_class(object, (sched_storage_class *)(void *)o);
	case SCHED_CSI_DRIVER:
		return read_driver(object, (sched_csi_driver *)(void *)o);
	case SCHED_CAPACITY:
		return read_capacity(object, (sched_capacity *)(void *)o);
	case SCHED_CSI_NODE:
		return read_csi_node(object, (sched_csi_node *)(void *)o);
	case SCHED_ATTACHMENT:
		return read_attachment(object, (sched_attachment *)(void *)o);
	case SCHED_VOLUME_KINDS_:
		break;
	}
	SP_UNREACHABLE();
}
