/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "base/num.h"
#include "sim/api_world.h"
#include "store/record.h"

const char *const kind_plural[] = {"configmaps", "pods"};
const char *const tiers[] = {"web", "db", ""};

/* As the server has them, and as a query names them. */
static const struct {
	const char *query;
	bool tier[3];
} selectors[SELECTORS] = {
	{"", {true, true, true}},
	{"&labelSelector=tier%3Dweb", {true, false, false}},
	{"&labelSelector=tier%21%3Dweb", {false, true, true}},
	{"&labelSelector=tier%20in%20%28web%2Cdb%29", {true, true, false}},
};

const char *selector_text(unsigned selector)
{
	return selectors[selector].query;
}

void broken(world *w, const char *fmt, ...)
{
	va_list ap;
	if (w->broken[0] != '\0')
		return;
	va_start(ap, fmt);
	(void)vsnprintf(w->broken, sizeof w->broken, fmt, ap);
	va_end(ap);
}

uint64_t below(world *w, uint64_t n)
{
	return sp_sim_random_below(w->api.sim, n);
}

static yyjson_val *parse_in(world *w, sp_arena *a, sp_str text)
{
	yyjson_val *v = NULL;
	sp_arena_rewind(a);
	if (sp_json_parse(a, text, &v, NULL) != SP_OK)
		broken(w, "no JSON: '%.*s'", (int)SP_MIN(text.len, (size_t)200), text.ptr);
	return v;
}

yyjson_val *parse(world *w, sp_str text)
{
	return parse_in(w, &w->scratch, text);
}

sp_str text_at(yyjson_val *v, const char *a, const char *b, const char *c)
{
	const char *const names[] = {a, b, c};
	for (size_t i = 0; i < SP_LEN(names) && names[i] != NULL; i++)
		v = sp_json_last(v, sp_str_c(names[i]));
	return sp_json_str(v);
}

uint64_t number_at(yyjson_val *v, const char *a, const char *b, const char *c)
{
	uint64_t n = 0;
	return sp_parse_u64(text_at(v, a, b, c), 0, UINT64_MAX, &n, NULL) == SP_OK ? n : 0;
}

uint8_t object_of(world *w, sp_str name)
{
	if (name.len == 2 && name.ptr[0] == 'k' && (unsigned)(name.ptr[1] - '0') < N_OBJECTS)
		return (uint8_t)(name.ptr[1] - '0');
	broken(w, "an object that nobody made: '" SP_FMT "'", SP_ARG(name));
	return 0;
}

/* ---- the log ---- */

static uint8_t tier_of(sp_str text)
{
	uint8_t t = 0;
	while (t + 1u < 3u && !sp_str_eq(text, sp_str_c(tiers[t])))
		t++;
	return t;
}

static void note(world *w, truth *t, const sp_store_event *e)
{
	sp_record rec;
	const sp_bytes *bytes = e->is_delete ? e->prev : e->record;
	if (sp_record_decode(sp_bytes_view(bytes), &rec, NULL) != SP_OK || t->n == CHANGES_MAX) {
		broken(w, "the log can't be kept");
		return;
	}
	yyjson_val *v = parse_in(w, &w->log_scratch, rec.object);
	change *c = &t->log[t->n++];
	*c = (change){.revision = e->revision,
		      .object = object_of(w, text_at(v, "metadata", "name", NULL)),
		      .tier = tier_of(text_at(v, "metadata", "labels", "tier")),
		      .is_delete = e->is_delete,
		      .is_mark = !e->is_delete && text_at(v, "metadata", "deletionTimestamp", NULL).len > 0,
		      .op = (uint32_t)number_at(v, "metadata", "annotations", "op"),
		      .n = (uint32_t)number_at(v, "metadata", "annotations", "n")};
	(void)snprintf(c->uid, sizeof c->uid, SP_FMT, SP_ARG(text_at(v, "metadata", "uid", NULL)));
}

void truth_read(world *w)
{
	for (unsigned k = 0; k < KIND_COUNT_; k++) {
		sp_store_event *e;
		while ((e = sp_store_watch_next(w->truth[k].watch)) != NULL) {
			note(w, &w->truth[k], e);
			e = sp_store_event_unref(e);
		}
	}
}

static void on_ready(void *arg)
{
	truth_read(arg);
}

bool truth_open(world *w)
{
	static const sp_str resources[] = {SP_STR_INIT("/registry/configmaps/"),
					   SP_STR_INIT("/registry/pods/")};
	sp_code code = SP_OK;
	for (unsigned k = 0; k < KIND_COUNT_ && code == SP_OK; k++) {
		const sp_store_watch_opts o = {.resource = resources[k], .on_ready = on_ready, .arg = w};
		code = sp_store_watch_open(w->api.store, &o, &w->truth[k].watch, NULL);
	}
	return code == SP_OK;
}

void truth_close(world *w)
{
	for (unsigned k = 0; k < KIND_COUNT_; k++)
		sp_store_watch_close(w->truth[k].watch);
}

const change *truth_at(world *w, kind k, uint8_t object, uint64_t revision)
{
	const truth *t = &w->truth[k];
	size_t lo = 0, hi = t->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (t->log[mid].revision <= revision)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo > 0; lo--) {
		if (t->log[lo - 1].object == object)
			return &t->log[lo - 1];
	}
	return NULL;
}

/* An object that changed without matching keeps no revision; one that matches has that of its last change. */
void truth_state(world *w, kind k, unsigned selector, uint64_t revision, uint64_t ret[N_OBJECTS])
{
	truth_read(w);
	for (uint8_t i = 0; i < N_OBJECTS; i++) {
		const change *c = truth_at(w, k, i, revision);
		bool is = c != NULL && !c->is_delete && selectors[selector].tier[c->tier];
		ret[i] = is ? c->revision : 0;
	}
}

/* ---- judgement ---- */

static void judge_put(world *w, const change *c, const change *prev)
{
	if (c->op == 0 || c->op > w->n_ops) {
		broken(w, "revision %llu: written by nobody", (unsigned long long)c->revision);
		return;
	}
	op *o = &w->ops[c->op - 1];
	bool was = prev != NULL && !prev->is_delete;
	o->n_seen++;
	uint32_t before = prev == NULL ? 0 : prev->n;
	uint32_t n = o->type == OP_CREATE ? 0 : o->type == OP_PATCH ? before : before + 1;
	bool right = o->object == c->object && o->n_seen == 1 && c->revision > o->floor && c->n == n;
	right = right && (o->type == OP_CREATE ? !was : was && strcmp(c->uid, prev->uid) == 0);
	right = right && (o->type != OP_INCREMENT || prev->revision == o->base);
	right = right && (o->end != OP_DONE || o->revision == c->revision);
	if (!right)
		broken(w, "revision %llu: op %u of type %d, n %u after %u, answered %d at %llu",
		       (unsigned long long)c->revision, c->op, (int)o->type, c->n, before, (int)o->end,
		       (unsigned long long)o->revision);
}

/* The first step of a pod's deletion changes nothing else. */
static void judge_mark(world *w, const change *c, const change *prev)
{
	bool right = prev != NULL && !prev->is_delete && !prev->is_mark && strcmp(c->uid, prev->uid) == 0 &&
		     c->op == prev->op && c->n == prev->n;
	if (!right)
		broken(w, "revision %llu: an end announced of what was not there",
		       (unsigned long long)c->revision);
}

/* A write that meets an object whose end is announced removes it, and answers with what was there. */
static bool met_its_end(world *w, const op *o)
{
	const change *c = truth_at(w, o->kind, o->object, o->revision);
	return o->n_seen == 0 && c != NULL && c->is_mark && c->revision == o->revision;
}

/* A PUT may have been repeated by the client: refused the second time, done the first. */
static void judge_op(world *w, const op *o)
{
	bool right = o->end == OP_DONE      ? o->n_seen == 1 || met_its_end(w, o)
		     : o->end == OP_REFUSED ? o->n_seen == 0 || o->type == OP_INCREMENT
					    : o->n_seen <= 1;
	if (o->type != OP_DELETE && !right)
		broken(w, "op %u of type %d, answered %d at %llu: seen %u times", (unsigned)(o - w->ops) + 1,
		       (int)o->type, (int)o->end, (unsigned long long)o->revision, o->n_seen);
}

static void judge_deletion(world *w, const op *o)
{
	const truth *t = &w->truth[o->kind];
	for (size_t i = 0; i < t->n; i++) {
		if (t->log[i].is_delete && strcmp(t->log[i].uid, o->uid) == 0)
			return;
	}
	broken(w, "a deletion of %s was answered and not done", o->uid);
}

void judge_ops(world *w)
{
	truth_read(w);
	for (unsigned k = 0; k < KIND_COUNT_; k++) {
		const change *prev[N_OBJECTS] = {NULL};
		for (size_t i = 0; i < w->truth[k].n; i++) {
			const change *c = &w->truth[k].log[i];
			if (c->is_mark)
				judge_mark(w, c, prev[c->object]);
			else if (!c->is_delete)
				judge_put(w, c, prev[c->object]);
			prev[c->object] = c;
		}
	}
	for (size_t i = 0; i < w->n_ops; i++) {
		judge_op(w, &w->ops[i]);
		if (w->ops[i].type == OP_DELETE && w->ops[i].end == OP_DONE)
			judge_deletion(w, &w->ops[i]);
	}
}
