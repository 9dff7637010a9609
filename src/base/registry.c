/* SPDX-License-Identifier: Apache-2.0 */
#include "base/registry.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/map.h"

#define ARENA_BYTES ((size_t)4 << 20)
#define PLUGINS_MAX 1024u

typedef enum mark { MARK_NEW, MARK_OPEN, MARK_DONE } mark;

typedef struct entry {
	sp_plugin_entry pub; /* first: what the list shows */
	mark mark;
	struct entry *parent; /* on the current path */
} entry;

struct sp_registry {
	sp_arena arena;
	sp_map by_uri;
	entry **entries; /* registration order; replaced by the starting order */
	entry **order;
	size_t n, n_order;
	bool started;
};

sp_registry *sp_registry_new(void)
{
	sp_registry *r = SP_NEW(sp_registry);
	sp_arena_init(&r->arena, ARENA_BYTES);
	sp_map_init(&r->by_uri);
	r->entries = sp_new(&r->arena, entry *, PLUGINS_MAX);
	r->order = sp_new(&r->arena, entry *, PLUGINS_MAX);
	return r;
}

void sp_registry_free(sp_registry *r)
{
	if (r == NULL)
		return;
	for (size_t i = r->n_order; i-- > 0;) {
		entry *e = r->order[i];
		if (e->pub.state == SP_PLUGIN_OK && e->pub.plugin->stop != NULL)
			e->pub.plugin->stop(e->pub.instance);
	}
	sp_map_done(&r->by_uri);
	sp_arena_done(&r->arena);
	sp_free(r);
}

static sp_str keep_text(sp_registry *r, sp_str s)
{
	sp_str copy = sp_arena_try_dup(&r->arena, s);
	return copy.ptr == NULL && s.len > 0 ? SP_STR("no memory for the reason") : copy;
}

/* ---- registration ---- */

static sp_code check_requirements(const sp_plugin *p, sp_str uri, sp_err *err)
{
	for (size_t i = 0; i < p->n_requirements; i++) {
		sp_str q = p->requirements[i];
		if (q.len == 0)
			return sp_fail(err, SP_EINVAL, "plugin '" SP_FMT "' has an empty requirement",
				       SP_ARG(uri));
		if (sp_str_eq(q, SP_STR("*")) && p->n_requirements > 1)
			return sp_fail(err, SP_EINVAL, "plugin '" SP_FMT "' requires '*' beside others",
				       SP_ARG(uri));
		if (sp_str_eq(q, p->type) || sp_str_eq(q, uri))
			return sp_fail(err, SP_EINVAL, "plugin '" SP_FMT "' requires its own type or itself",
				       SP_ARG(uri));
	}
	return SP_OK;
}

sp_code sp_registry_add(sp_registry *r, const sp_plugin *p, const char *registrant, sp_err *err)
{
	SP_ASSERT(!r->started);
	if (p->type.len == 0 || p->id.len == 0)
		return sp_fail(err, SP_EINVAL, "plugin '" SP_FMT "." SP_FMT "' of %s has an empty type or id",
			       SP_ARG(p->type), SP_ARG(p->id), registrant);
	if (r->n == PLUGINS_MAX)
		return sp_fail(err, SP_ETOOLARGE, "more than %u plugins", PLUGINS_MAX);
	sp_str uri = sp_arena_printf(&r->arena, SP_FMT "." SP_FMT, SP_ARG(p->type), SP_ARG(p->id));
	if (uri.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a plugin");
	const entry *other = sp_map_get(&r->by_uri, uri);
	if (other != NULL)
		return sp_fail(err, SP_EEXISTS, "plugin '" SP_FMT "' is registered twice: by %s and by %s",
			       SP_ARG(uri), other->pub.registrant, registrant);
	SP_TRY(check_requirements(p, uri, err));
	entry *e = sp_try_new(&r->arena, entry, 1);
	if (e == NULL || sp_map_put(&r->by_uri, uri, e, NULL) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for a plugin");
	e->pub = (sp_plugin_entry){.plugin = p, .registrant = registrant, .uri = uri};
	r->entries[r->n++] = e;
	return SP_OK;
}

/* ---- order ---- */

static bool satisfies(const entry *e, sp_str requirement)
{
	return sp_str_eq(requirement, SP_STR("*")) || sp_str_eq(e->pub.plugin->type, requirement) ||
	       sp_str_eq(e->pub.uri, requirement);
}

/* "a (who) -> b (who) -> a": the path that `last` closes by requiring `first`, from the parents. */
static sp_code cycle(sp_registry *r, const entry *first, const entry *last, sp_err *err)
{
	sp_str path = first->pub.uri;
	for (const entry *e = last; e != NULL; e = e == first ? NULL : e->parent) {
		path = sp_arena_printf(&r->arena, SP_FMT " (%s) -> " SP_FMT, SP_ARG(e->pub.uri),
				       e->pub.registrant, SP_ARG(path));
	}
	return sp_fail(err, SP_EINVAL, "plugins require each other: " SP_FMT, SP_ARG(path));
}

static sp_code visit(sp_registry *r, entry *e, sp_err *err)
{
	e->mark = MARK_OPEN;
	const sp_plugin *p = e->pub.plugin;
	for (size_t i = 0; i < p->n_requirements && e->pub.state != SP_PLUGIN_DISABLED; i++) {
		for (size_t j = 0; j < r->n; j++) {
			entry *other = r->entries[j];
			if (other == e || !satisfies(other, p->requirements[i]) || other->mark == MARK_DONE)
				continue;
			if (other->mark == MARK_OPEN)
				return cycle(r, other, e, err);
			other->parent = e;
			SP_TRY(visit(r, other, err));
		}
	}
	e->mark = MARK_DONE;
	r->order[r->n_order++] = e;
	return SP_OK;
}

static sp_code sort(sp_registry *r, sp_err *err)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->entries[i]->mark != MARK_NEW)
			continue;
		r->entries[i]->parent = NULL;
		SP_TRY(visit(r, r->entries[i], err));
	}
	return SP_OK;
}

/* ---- start ---- */

static void set_state(sp_registry *r, entry *e, sp_plugin_state state, const char *reason)
{
	e->pub.state = state;
	e->pub.reason = keep_text(r, sp_str_c(reason));
}

/* True when a plugin that satisfies the requirement runs; else the text says why not. */
static bool is_met(const sp_registry *r, const entry *e, sp_str requirement, sp_err *why)
{
	const entry *down = NULL;
	bool all = sp_str_eq(requirement, SP_STR("*"));
	for (size_t i = 0; i < r->n_order; i++) {
		const entry *other = r->order[i];
		if (other == e || !satisfies(other, requirement))
			continue;
		if (other->pub.state == SP_PLUGIN_OK)
			return true;
		if (down == NULL)
			down = other;
	}
	if (all) /* "after all others": who runs does not matter */
		return true;
	if (down == NULL)
		(void)sp_fail(why, SP_ENOTFOUND, "requires '" SP_FMT "', which is not registered",
			      SP_ARG(requirement));
	else
		(void)sp_fail(why, SP_EUNAVAILABLE, "requires '" SP_FMT "', which is %s: " SP_FMT,
			      SP_ARG(down->pub.uri), sp_plugin_state_name(down->pub.state),
			      SP_ARG(down->pub.reason));
	return false;
}

static void start_one(sp_registry *r, entry *e, void *arg)
{
	const sp_plugin *p = e->pub.plugin;
	sp_err err = {0};
	if (e->pub.state == SP_PLUGIN_DISABLED)
		return;
	for (size_t i = 0; i < p->n_requirements; i++) {
		if (!is_met(r, e, p->requirements[i], &err)) {
			set_state(r, e, SP_PLUGIN_SKIPPED, err.msg);
			return;
		}
	}
	sp_code code = p->init == NULL ? SP_OK : p->init(r, arg, &e->pub.instance, &err);
	if (code == SP_OK)
		e->pub.state = SP_PLUGIN_OK;
	else
		set_state(r, e, code == SP_EUNSUPPORTED ? SP_PLUGIN_SKIPPED : SP_PLUGIN_FAILED,
			  err.msg[0] != '\0' ? err.msg : sp_code_lookup(code)->name);
}

sp_code sp_registry_start(sp_registry *r, const sp_str *disabled, size_t n_disabled, void *arg, sp_err *err)
{
	SP_ASSERT(!r->started);
	r->started = true;
	for (size_t i = 0; i < n_disabled; i++) {
		entry *e = sp_map_get(&r->by_uri, disabled[i]);
		if (e == NULL)
			return sp_fail(err, SP_ENOTFOUND, "disabled plugin '" SP_FMT "' is not registered",
				       SP_ARG(disabled[i]));
		set_state(r, e, SP_PLUGIN_DISABLED, "disabled by configuration");
	}
	SP_TRY(sort(r, err));
	for (size_t i = 0; i < r->n_order; i++)
		start_one(r, r->order[i], arg);
	return SP_OK;
}

/* ---- looking ---- */

size_t sp_registry_count(const sp_registry *r)
{
	return r->n;
}

const sp_plugin_entry *sp_registry_at(const sp_registry *r, size_t i)
{
	SP_ASSERT(i < r->n);
	return &(r->n_order == r->n ? r->order : r->entries)[i]->pub;
}

const sp_plugin_entry *sp_registry_find(const sp_registry *r, sp_str uri)
{
	const entry *e = sp_map_get(&r->by_uri, uri);
	return e == NULL ? NULL : &e->pub;
}

const sp_plugin_entry *sp_registry_first(const sp_registry *r, sp_str type)
{
	for (size_t i = 0; i < r->n_order; i++) {
		const entry *e = r->order[i];
		if (e->pub.state == SP_PLUGIN_OK && sp_str_eq(e->pub.plugin->type, type))
			return &e->pub;
	}
	return NULL;
}

const char *sp_plugin_state_name(sp_plugin_state s)
{
	static const char *const names[] = {[SP_PLUGIN_PENDING] = "pending",
					    [SP_PLUGIN_OK] = "ok",
					    [SP_PLUGIN_DISABLED] = "disabled",
					    [SP_PLUGIN_SKIPPED] = "skipped",
					    [SP_PLUGIN_FAILED] = "failed"};
	return names[s];
}
