/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/usage/points.h"

#include "apiserver/usage/text.h"
#include "base/buf.h"

#define NANO_CORES_MAX 1e18 /* a billion processors: no such machine */
/* A container that has just started was at zero when it did; sooner than that its rate would be guesswork. */
#define FRESH_NS INT64_C(10000000000)

void usage_set_init(usage_set *s)
{
	*s = (usage_set){0};
	sp_arena_init(&s->arena, USAGE_SET_BYTES_MAX);
	sp_map_init(&s->pods);
	sp_map_init(&s->nodes);
}

void usage_set_done(usage_set *s)
{
	sp_map_done(&s->pods);
	sp_map_done(&s->nodes);
	sp_arena_done(&s->arena);
}

/* ---- reading ---- */

/* What one node says. */
typedef struct adding {
	usage_set *set;
	usage_point node;
	usage_pod *pods;
	int64_t now_ns;
	const usage_set *before;
} adding;

static sp_code find_pod(adding *a, const usage_line *l, usage_pod **ret)
{
	usage_set *s = a->set;
	sp_str key = SP_CONCAT(&s->arena, l->ns, SP_STR("/"), l->pod);
	if (key.ptr == NULL)
		return SP_ENOMEM;
	usage_pod *p = sp_map_get(&s->pods, key);
	if (p == NULL) {
		p = sp_try_new(&s->arena, usage_pod, 1);
		if (p == NULL || sp_map_put(&s->pods, key, p, NULL) != SP_OK)
			return SP_ENOMEM;
		*p = (usage_pod){.key = key, .round = s->n_added, .next = a->pods};
		a->pods = p;
	}
	*ret = p;
	return SP_OK;
}

static sp_code find_container(adding *a, usage_pod *p, sp_str name, usage_container **ret)
{
	usage_container **at = &p->containers;
	while (*at != NULL && !sp_str_eq((*at)->name, name))
		at = &(*at)->next;
	if (*at == NULL) {
		usage_container *c = sp_try_new(&a->set->arena, usage_container, 1);
		sp_str copy = sp_arena_try_dup(&a->set->arena, name);
		if (c == NULL || copy.ptr == NULL)
			return SP_ENOMEM;
		*c = (usage_container){.name = copy};
		*at = c;
	}
	*ret = *at;
	return SP_OK;
}

/* A pod that another node told of stays that node's. */
static sp_code take_container(adding *a, const usage_line *l, int64_t at_ns)
{
	usage_pod *p;
	usage_container *c;
	SP_TRY(find_pod(a, l, &p));
	if (p->round != a->set->n_added)
		return SP_OK;
	SP_TRY(find_container(a, p, l->container, &c));
	usage_point *point = &c->pair.last;
	if (l->family == USAGE_CONTAINER_START) {
		point->started_ns = (int64_t)SP_MIN(l->value, (uint64_t)INT64_MAX);
		return SP_OK;
	}
	point->at_ns = at_ns;
	*(l->family == USAGE_CONTAINER_CPU ? &point->cpu_ns : &point->memory_bytes) = l->value;
	return SP_OK;
}

static sp_code take(adding *a, const usage_line *l)
{
	int64_t at_ns = l->has_time ? l->at_ns : a->now_ns;
	if (l->family != USAGE_NODE_CPU && l->family != USAGE_NODE_MEMORY)
		return take_container(a, l, at_ns);
	a->node.at_ns = at_ns;
	*(l->family == USAGE_NODE_CPU ? &a->node.cpu_ns : &a->node.memory_bytes) = l->value;
	return SP_OK;
}

/* ---- the points before ---- */

/* The newer of two points of which the same counter was read; the same reading again changes nothing. */
static void follow(usage_pair *p, const usage_pair *old)
{
	if (p->last.at_ns > old->last.at_ns) {
		p->before = old->last;
		p->has_before = true;
	} else if (old->has_before && old->before.at_ns < p->last.at_ns) {
		p->before = old->before;
		p->has_before = true;
	}
}

static void follow_container(usage_container *c, const usage_pod *old)
{
	usage_point *last = &c->pair.last;
	int64_t age_ns = last->at_ns - last->started_ns;
	if (age_ns >= FRESH_NS && age_ns < USAGE_RESOLUTION_NS) {
		c->pair.before = *last;
		c->pair.before.at_ns = last->started_ns;
		c->pair.before.cpu_ns = 0;
		c->pair.has_before = true;
		return;
	}
	for (const usage_container *o = old == NULL ? NULL : old->containers; o != NULL; o = o->next) {
		/* One that started again since counts from zero. */
		if (sp_str_eq(o->name, c->name) && last->started_ns < o->pair.last.at_ns)
			follow(&c->pair, &o->pair);
	}
}

static bool is_whole(const usage_pod *p)
{
	for (const usage_container *c = p->containers; c != NULL; c = c->next) {
		if (c->pair.last.cpu_ns == 0 || c->pair.last.memory_bytes == 0)
			return false;
	}
	return true;
}

static sp_code add_node(adding *a, sp_str name)
{
	usage_set *s = a->set;
	const usage_pair *old = a->before == NULL ? NULL : sp_map_get(&a->before->nodes, name);
	usage_pair *p = sp_try_new(&s->arena, usage_pair, 1);
	sp_str key = sp_arena_try_dup(&s->arena, name);
	if (p == NULL || key.ptr == NULL)
		return SP_ENOMEM;
	*p = (usage_pair){.last = a->node};
	if (old != NULL)
		follow(p, old);
	return sp_map_put(&s->nodes, key, p, NULL);
}

static void forget(adding *a)
{
	for (usage_pod *p = a->pods; p != NULL; p = p->next)
		(void)sp_map_remove(&a->set->pods, p->key);
}

static sp_code read_all(adding *a, sp_str text, sp_err *err)
{
	usage_line line;
	sp_code code;
	while (usage_text_next(&text, &line, &code)) {
		if (take(a, &line) != SP_OK)
			return sp_fail(err, SP_ENOMEM, "no room for what containers use");
	}
	return code == SP_OK ? SP_OK : sp_fail(err, code, "the kubelet's metrics can't be read");
}

sp_code usage_set_add(usage_set *s, sp_str node, sp_str text, int64_t now_ns, const usage_set *before,
		      sp_err *err)
{
	adding a = {.set = s, .now_ns = now_ns, .before = before};
	s->n_added++;
	sp_code code = read_all(&a, text, err);
	if (code == SP_OK && a.node.at_ns != 0 && a.node.cpu_ns != 0 && a.node.memory_bytes != 0 &&
	    add_node(&a, node) != SP_OK)
		code = sp_fail(err, SP_ENOMEM, "no room for what nodes use");
	if (code != SP_OK) {
		forget(&a);
		return code;
	}
	for (usage_pod *p = a.pods; p != NULL; p = p->next) {
		const usage_pod *old = before == NULL ? NULL : sp_map_get(&before->pods, p->key);
		p->is_whole = is_whole(p);
		for (usage_container *c = p->containers; c != NULL; c = c->next)
			follow_container(c, old != NULL && old->is_whole ? old : NULL);
	}
	return SP_OK;
}

/* ---- telling ---- */

bool usage_rate_of(const usage_pair *p, usage_rate *ret)
{
	if (!p->has_before || p->last.started_ns < p->before.started_ns ||
	    p->last.cpu_ns < p->before.cpu_ns || p->last.at_ns <= p->before.at_ns)
		return false;
	int64_t window_ns = p->last.at_ns - p->before.at_ns;
	double used = (double)(p->last.cpu_ns - p->before.cpu_ns) / ((double)window_ns / 1e9);
	*ret = (usage_rate){.nano_cores = used < NANO_CORES_MAX ? (uint64_t)used : 0,
			    .memory_bytes = p->last.memory_bytes,
			    .at_ns = p->last.at_ns,
			    .window_ns = window_ns};
	return true;
}

const usage_pair *usage_set_node(const usage_set *s, sp_str name)
{
	const usage_pair *p = sp_map_get(&s->nodes, name);
	return p != NULL && p->has_before ? p : NULL;
}

const usage_pod *usage_set_pod(const usage_set *s, sp_str key)
{
	const usage_pod *p = sp_map_get(&s->pods, key);
	if (p == NULL || !p->is_whole)
		return NULL;
	for (const usage_container *c = p->containers; c != NULL; c = c->next) {
		if (!c->pair.has_before)
			return NULL;
	}
	return p;
}
