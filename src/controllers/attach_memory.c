/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "controllers/attach_int.h"

sp_code att_memory_init(att_memory *m, sp_err *err)
{
	sp_map_init(&m->volumes);
	sp_map_init(&m->nodes);
	sp_map_init(&m->attachments);
	m->sum = sp_sha256_new();
	return m->sum != NULL ? SP_OK : sp_fail(err, SP_ENOMEM, "no memory for names of attachments");
}

void att_memory_done(att_memory *m)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&m->volumes, &i)) != NULL;) {
		att_volume *v = e->value;
		SP_LIST_FOREACH (l, &v->places)
			sp_free(ATT_PLACE_OF_VOLUME(l));
	}
	sp_map_done(&m->attachments);
	sp_map_done_values(&m->volumes);
	sp_map_done_values(&m->nodes);
	sp_sha256_free(m->sum);
}

att_volume *att_volume_find(const att_memory *m, sp_str name)
{
	return sp_map_get(&m->volumes, name);
}

att_node *att_node_find(const att_memory *m, sp_str name)
{
	return sp_map_get(&m->nodes, name);
}

att_place *att_place_of_attachment(const att_memory *m, sp_str attachment)
{
	return sp_map_get(&m->attachments, attachment);
}

void att_attachment_name(sp_sha256_sum *sum, sp_str handle, sp_str driver, sp_str node,
			 char ret[ATT_NAME_BYTES])
{
	static const char prefix[] = {'c', 's', 'i', '-'};
	memcpy(ret, prefix, sizeof prefix);
	sp_sha256_update(sum, handle.ptr, handle.len);
	sp_sha256_update(sum, driver.ptr, driver.len);
	sp_sha256_update(sum, node.ptr, node.len);
	sp_sha256_text(sum, ret + sizeof prefix);
}

/* ---- making ---- */

static att_volume *volume_of(att_memory *m, sp_str name)
{
	att_volume *v = att_volume_find(m, name);
	if (v != NULL)
		return v;
	v = sp_try_alloc(sizeof *v + name.len);
	if (v == NULL)
		return NULL;
	memcpy(v->text, name.ptr, name.len);
	v->name = (sp_str){v->text, name.len};
	v->pause = (att_pause){0};
	sp_list_init(&v->places);
	if (sp_map_put(&m->volumes, v->name, v, NULL) == SP_OK)
		return v;
	sp_free(v);
	return NULL;
}

static att_node *node_of(att_memory *m, sp_str name)
{
	att_node *n = att_node_find(m, name);
	if (n != NULL)
		return n;
	n = sp_try_alloc(sizeof *n + name.len);
	if (n == NULL)
		return NULL;
	memcpy(n->text, name.ptr, name.len);
	n->name = (sp_str){n->text, name.len};
	n->is_writing = false;
	sp_list_init(&n->places);
	if (sp_map_put(&m->nodes, n->name, n, NULL) == SP_OK)
		return n;
	sp_free(n);
	return NULL;
}

/* The name of its VolumeAttachment, when it is CSI's. */
static void name_attachment(att_memory *m, att_place *p)
{
	sp_str driver, rest = p->volume->name;
	if (sp_str_take(&rest, VOL_CSI_PREFIX) && sp_str_cut(&rest, '^', &driver))
		att_attachment_name(m->sum, rest, driver, p->node->name, p->attachment);
}

static void drop_if_empty(att_memory *m, att_volume *v, att_node *n)
{
	if (v != NULL && sp_list_is_empty(&v->places)) {
		(void)sp_map_remove(&m->volumes, v->name);
		sp_free(v);
	}
	if (n != NULL && sp_list_is_empty(&n->places) && !n->is_writing) {
		(void)sp_map_remove(&m->nodes, n->name);
		sp_free(n);
	}
}

static att_place *make(att_memory *m, att_volume *v, att_node *n)
{
	att_place *p = sp_try_alloc(sizeof *p);
	if (p == NULL)
		return NULL;
	*p = (att_place){.volume = v, .node = n, .is_in_use = true};
	name_attachment(m, p);
	if (p->attachment[0] != '\0' &&
	    sp_map_put(&m->attachments, sp_str_c(p->attachment), p, NULL) != SP_OK) {
		sp_free(p);
		return NULL;
	}
	sp_list_push_back(&v->places, &p->of_volume);
	sp_list_push_back(&n->places, &p->of_node);
	return p;
}

att_place *att_place_get(att_memory *m, sp_str volume, sp_str node)
{
	att_volume *v = volume_of(m, volume);
	att_node *n = v == NULL ? NULL : node_of(m, node);
	att_place *p = NULL;
	if (n != NULL) {
		SP_LIST_FOREACH (l, &v->places) {
			if (ATT_PLACE_OF_VOLUME(l)->node == n)
				return ATT_PLACE_OF_VOLUME(l);
		}
		p = make(m, v, n);
	}
	if (p == NULL)
		drop_if_empty(m, v, n);
	return p;
}

void att_place_drop(att_memory *m, att_place *p)
{
	att_volume *v = p->volume;
	att_node *n = p->node;
	if (p->attachment[0] != '\0')
		(void)sp_map_remove(&m->attachments, sp_str_c(p->attachment));
	sp_list_remove(&p->of_volume);
	sp_list_remove(&p->of_node);
	sp_free(p);
	drop_if_empty(m, v, n);
}

void att_node_written(att_memory *m, att_node *n)
{
	n->is_writing = false;
	drop_if_empty(m, NULL, n);
}
