/* SPDX-License-Identifier: Apache-2.0 */
/* Sandboxes and containers in memory: ids, names, references. */
#include "base/alloc.h"
#include "runtime/rt_int.h"

#define PREFIX_MIN 4u /* of an id: shorter ones are slips */

sp_str rt_new_id(rt *r, sp_arena *a)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[RT_ID_BYTES / 2];
	char *text = sp_arena_alloc(a, RT_ID_BYTES + 1);
	sp_random(r->world, bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof bytes; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return (sp_str){text, RT_ID_BYTES};
}

sp_str rt_path(rt *r, sp_arena *a, const char *kind, sp_str id, const char *rest)
{
	return sp_arena_printf(a, SP_FMT "/%s/" SP_FMT "%s", SP_ARG(r->opts->run_dir), kind, SP_ARG(id),
			       rest);
}

sp_str rt_attach_path(rt *r, sp_arena *a, sp_str id)
{
	return sp_arena_printf(a, SP_FMT "/a" SP_FMT, SP_ARG(r->opts->run_dir),
			       SP_ARG(sp_str_sub(id, 0, SP_HOST_SOCKET_ID_BYTES)));
}

/* ---- finding ---- */

static void *find(const sp_map *m, sp_str id)
{
	void *found = sp_map_get(m, id);
	const sp_map_entry *e;
	if (found != NULL || id.len < PREFIX_MIN || id.len >= RT_ID_BYTES)
		return found;
	for (size_t i = 0; (e = sp_map_next(m, &i)) != NULL;) {
		if (!sp_str_starts(e->key, id))
			continue;
		if (found != NULL)
			return NULL; /* ambiguous */
		found = e->value;
	}
	return found;
}

rt_sandbox *rt_find_sandbox(rt *r, sp_str id)
{
	return find(&r->sandboxes, id);
}

rt_container *rt_find_container(rt *r, sp_str id)
{
	return find(&r->containers, id);
}

sp_code rt_need_sandbox(rt *r, sp_str id, rt_sandbox **ret, sp_err *err)
{
	*ret = rt_find_sandbox(r, id);
	if (*ret == NULL)
		return sp_fail(err, SP_ENOTFOUND,
			       "an error occurred when try to find sandbox: sandbox \"" SP_FMT "\" not found",
			       SP_ARG(id));
	return SP_OK;
}

sp_code rt_need_container(rt *r, sp_str id, rt_container **ret, sp_err *err)
{
	*ret = rt_find_container(r, id);
	if (*ret == NULL)
		return sp_fail(err, SP_ENOTFOUND,
			       "an error occurred when try to find container: container \"" SP_FMT
			       "\" not found",
			       SP_ARG(id));
	return SP_OK;
}

/* ---- names ---- */

static sp_str sandbox_name(sp_arena *a, const sp_cri_pod_sandbox_metadata *m)
{
	return sp_arena_printf(a, SP_FMT "_" SP_FMT "_" SP_FMT "_%u", SP_ARG(m->name), SP_ARG(m->namespace),
			       SP_ARG(m->uid), m->attempt);
}

static sp_str container_name(sp_arena *a, const sp_cri_container_metadata *m, const rt_sandbox *s)
{
	const sp_cri_pod_sandbox_metadata *p = s->rec.config->metadata;
	return sp_arena_printf(a, SP_FMT "_" SP_FMT "_" SP_FMT "_" SP_FMT "_%u", SP_ARG(m->name),
			       SP_ARG(p->name), SP_ARG(p->namespace), SP_ARG(p->uid), m->attempt);
}

static sp_code list(rt *r, sp_map *m, sp_str id, sp_str name, void *object, sp_err *err)
{
	if (sp_map_get(&r->names, name) != NULL)
		return sp_fail(err, SP_EEXISTS, "name \"" SP_FMT "\" is reserved", SP_ARG(name));
	if (sp_map_count(&r->names) >= RT_OBJECTS_MAX)
		return sp_fail(err, SP_ETOOMANY, "there are %u sandboxes and containers already",
			       RT_OBJECTS_MAX);
	sp_code code = sp_map_put(&r->names, name, object, NULL);
	if (code == SP_OK) {
		code = sp_map_put(m, id, object, NULL);
		if (code == SP_OK)
			return SP_OK;
		(void)sp_map_remove(&r->names, name);
	}
	return sp_fail(err, code, "no memory for another sandbox or container");
}

sp_code rt_sandbox_list(rt_sandbox *s, sp_err *err)
{
	SP_TRY(list(s->r, &s->r->sandboxes, s->rec.id, s->name, s, err));
	s->listed = true;
	s->n_refs++;
	return SP_OK;
}

sp_code rt_container_list(rt_container *c, sp_err *err)
{
	SP_TRY(list(c->r, &c->r->containers, c->rec.id, c->name, c, err));
	c->listed = true;
	c->n_refs++;
	sp_list_push_back(&c->sandbox->containers, &c->node);
	return SP_OK;
}

void rt_sandbox_unlist(rt_sandbox *s)
{
	if (!s->listed)
		return;
	s->listed = false;
	(void)sp_map_remove(&s->r->sandboxes, s->rec.id);
	(void)sp_map_remove(&s->r->names, s->name);
	rt_sandbox_unref(s);
}

void rt_container_unlist(rt_container *c)
{
	if (!c->listed)
		return;
	c->listed = false;
	(void)sp_map_remove(&c->r->containers, c->rec.id);
	(void)sp_map_remove(&c->r->names, c->name);
	sp_list_remove(&c->node);
	rt_container_unref(c);
}

/* ---- making, releasing ---- */

/* A deep copy of a message, by its own bytes. */
static sp_code copy(const sp_pb_message *m, const void *from, sp_arena *a, void *ret, sp_err *err)
{
	SP_AUTO_BUF bytes;
	sp_buf_init(&bytes, RT_OBJECT_BYTES);
	sp_pb_encode(m, from, &bytes);
	sp_str own = sp_arena_try_dup(a, sp_buf_view(&bytes));
	if (sp_buf_code(&bytes) != SP_OK || own.len != bytes.len)
		return sp_fail(err, SP_ENOMEM, "no memory for a %s", m->name);
	return sp_pb_decode(m, own, a, ret, err);
}

static void set_path(rt_saver *s, const rt *r, const char *kind, sp_str id)
{
	(void)snprintf(s->path, sizeof s->path, SP_FMT "/%s/" SP_FMT, SP_ARG(r->opts->state_dir), kind,
		       SP_ARG(id));
}

sp_code rt_sandbox_new(rt *r, const rt_sandbox_record *rec, rt_sandbox **ret, sp_err *err)
{
	rt_sandbox *s = SP_NEW(rt_sandbox);
	*s = (rt_sandbox){.r = r, .n_refs = 1};
	sp_arena_init(&s->arena, RT_OBJECT_BYTES);
	sp_list_init(&s->containers);
	sp_list_init(&s->shim_waiters);
	rt_saver_init(&s->saver, r->world, &rt_sandbox_record_message, &s->rec);
	sp_code code = copy(&rt_sandbox_record_message, rec, &s->arena, &s->rec, err);
	if (code == SP_OK && (s->rec.config == NULL || s->rec.config->metadata == NULL))
		code = sp_fail(err, SP_EINVAL, "sandbox config must include metadata");
	if (code != SP_OK) {
		rt_sandbox_unref(s);
		return code;
	}
	set_path(&s->saver, r, "sandboxes", s->rec.id);
	s->name = sandbox_name(&s->arena, s->rec.config->metadata);
	*ret = s;
	return SP_OK;
}

sp_code rt_container_new(rt *r, rt_sandbox *sandbox, const rt_container_record *rec, rt_container **ret,
			 sp_err *err)
{
	rt_container *c = SP_NEW(rt_container);
	*c = (rt_container){.r = r, .n_refs = 1, .sandbox = sandbox};
	sandbox->n_refs++;
	sp_arena_init(&c->arena, RT_OBJECT_BYTES);
	sp_list_init(&c->node);
	sp_list_init(&c->waiters);
	rt_saver_init(&c->saver, r->world, &rt_container_record_message, &c->rec);
	sp_code code = copy(&rt_container_record_message, rec, &c->arena, &c->rec, err);
	if (code == SP_OK && (c->rec.config == NULL || c->rec.config->metadata == NULL))
		code = sp_fail(err, SP_EINVAL, "container config must include metadata");
	if (code != SP_OK) {
		rt_container_unref(c);
		return code;
	}
	set_path(&c->saver, r, "containers", c->rec.id);
	c->name = container_name(&c->arena, c->rec.config->metadata, sandbox);
	*ret = c;
	return SP_OK;
}

void rt_sandbox_unref(rt_sandbox *s)
{
	if (s == NULL || --s->n_refs > 0)
		return;
	sp_connect_cancel(s->r->world, &s->connect);
	rt_saver_done(&s->saver);
	sp_arena_done(&s->arena);
	sp_free(s);
}

void rt_container_unref(rt_container *c)
{
	if (c == NULL || --c->n_refs > 0)
		return;
	rt_rpc_cancel(&c->wait);
	rt_saver_done(&c->saver);
	rt_sandbox_unref(c->sandbox);
	sp_arena_done(&c->arena);
	sp_free(c);
}
