/* SPDX-License-Identifier: Apache-2.0 */
#include "client/events.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/time.h"
#include "client/events_int.h"
#include "io/world.h"

#define NS_PER_S UINT64_C(1000000000)
#define WAITING_MOST 1000u
#define TRIES_MOST 12u
#define RETRY_NS (10 * NS_PER_S)
#define FLUSH_NS (360 * NS_PER_S)  /* series: how long counts may stay unwritten */
#define FORGET_NS (600 * NS_PER_S) /* an event after that long is a new one */
#define MESSAGE_BYTES_MAX 1024u
#define BODY_BYTES_MAX ((size_t)64 << 10)
#define NAME_SKEW_NS UINT64_C(1000000)
#define NAME_TAIL_BYTES 17u /* a point and 16 digits */
#define COMBINED "(combined from similar events): "

/* One write. */
typedef struct item {
	sp_list node;
	sp_str ns, name, create, patch; /* patch empty: a new event */
	unsigned n_tries;
	char texts[];
} item;

struct sp_events {
	sp_events_opts o; /* texts in the arena */
	sp_world *world;
	sp_arena arena;
	memo_table spam, similar, written;
	sp_list items; /* the first is under way */
	size_t n_items;
	uint64_t n_dropped;
	int64_t name_ns; /* of the last name that was made */
	int64_t skew_ns; /* of names: several recorders may speak of one object in the same moment */
	sp_call call;
	sp_timer timer, flush;
};

/* ---- writing ---- */

static void next(sp_events *e);

static item *first(sp_events *e)
{
	return SP_CONTAINER_OF(e->items.next, item, node);
}

static void drop_first(sp_events *e)
{
	item *i = first(e);
	sp_list_remove(&i->node);
	e->n_items--;
	sp_free(i);
}

static void on_retry(sp_timer *t)
{
	next(t->arg);
}

static void on_written(sp_call *c, const sp_answer *a)
{
	sp_events *e = c->arg;
	item *i = first(e);
	if (a->code == SP_ENOTFOUND && i->patch.len > 0 && i->create.len > 0) {
		i->patch.len = 0; /* it ran out, or was never written */
		next(e);
		return;
	}
	if (a->code != SP_OK && a->status == 0 && a->code != SP_ECANCELED && ++i->n_tries < TRIES_MOST) {
		sp_timer_start(e->world, &e->timer, RETRY_NS, on_retry);
		return;
	}
	if (a->code != SP_OK && e->o.log != NULL)
		sp_log(e->o.log, SP_LOG_DEBUG, "event not written", SP_KS("event", i->name), SP_KE(a->err));
	drop_first(e);
	next(e);
}

static void next(sp_events *e)
{
	if (sp_list_is_empty(&e->items) || sp_call_is_running(&e->call))
		return;
	item *i = first(e);
	bool is_new = i->patch.len == 0;
	sp_call_start(e->o.client, &e->call,
		      &(sp_ask){.verb = is_new ? SP_ASK_CREATE : SP_ASK_MERGE_PATCH,
				.gvr = e->o.series ? SP_EVENTS_V1 : SP_EVENTS_CORE,
				.ns = i->ns,
				.name = is_new ? SP_STR("") : i->name,
				.body = is_new ? i->create : i->patch});
}

static sp_str put(char **at, sp_str s)
{
	sp_str mine = {*at, s.len};
	if (s.len > 0)
		memcpy(*at, s.ptr, s.len);
	*at += s.len;
	return mine;
}

static void enqueue(sp_events *e, sp_str ns, sp_str name, sp_str create, sp_str patch)
{
	item *i = e->n_items < WAITING_MOST
			  ? sp_try_alloc(sizeof *i + ns.len + name.len + create.len + patch.len)
			  : NULL;
	if (i == NULL) {
		e->n_dropped++;
		if (e->o.log != NULL)
			sp_log(e->o.log, SP_LOG_WARN, "event dropped", SP_KU("dropped_so_far", e->n_dropped));
		return;
	}
	char *at = i->texts;
	i->ns = put(&at, ns);
	i->name = put(&at, name);
	i->create = put(&at, create);
	i->patch = put(&at, patch);
	sp_list_init(&i->node);
	sp_list_push_back(&e->items, &i->node);
	if (e->n_items++ == 0)
		next(e);
}

/* ---- bodies ---- */

static void member_time(sp_jout *j, const char *name, int64_t wall_ns, unsigned digits)
{
	char text[SP_TIME_TEXT_BYTES];
	const sp_time t = {.seconds = wall_ns / (int64_t)NS_PER_S,
			   .nanos = (uint32_t)(wall_ns % (int64_t)NS_PER_S)};
	sp_jout_member_str(j, sp_str_c(name), (sp_str){text, sp_time_print(text, t, digits)});
}

static void member_if(sp_jout *j, const char *name, sp_str value)
{
	if (value.len > 0)
		sp_jout_member_str(j, sp_str_c(name), value);
}

static void member_ref(sp_jout *j, const char *name, const sp_event_ref *r)
{
	sp_jout_member_open(j, sp_str_c(name), '{');
	member_if(j, "kind", r->kind);
	member_if(j, "namespace", r->ns);
	member_if(j, "name", r->name);
	member_if(j, "uid", r->uid);
	member_if(j, "apiVersion", r->api_version);
	member_if(j, "resourceVersion", r->revision);
	member_if(j, "fieldPath", r->field_path);
	sp_jout_close(j, '}');
}

/* What an update changes, core: the count and when. */
static void write_count(const sp_events *e, sp_jout *j, const memo *m, sp_str message)
{
	if (!e->o.series) {
		sp_jout_member_i64(j, SP_STR("count"), m->count);
		member_time(j, "firstTimestamp", m->first_wall_ns, 0);
		member_time(j, "lastTimestamp", m->last_wall_ns, 0);
		sp_jout_member_str(j, SP_STR("message"), message);
	} else if (m->count > 1) {
		sp_jout_member_open(j, SP_STR("series"), '{');
		sp_jout_member_i64(j, SP_STR("count"), m->count);
		member_time(j, "lastObservedTime", m->last_wall_ns, 6);
		sp_jout_close(j, '}');
	}
}

static void write_event(const sp_events *e, sp_jout *j, const sp_event *ev, const memo *m, sp_str message)
{
	bool series = e->o.series;
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("name"), sp_str_c(m->name));
	sp_jout_member_str(j, SP_STR("namespace"), sp_str_c(m->ns));
	if (ev->annotations.len > 0)
		sp_jout_member_raw(j, SP_STR("annotations"), ev->annotations);
	sp_jout_close(j, '}');
	member_ref(j, series ? "regarding" : "involvedObject", &ev->about);
	if (ev->related != NULL)
		member_ref(j, "related", ev->related);
	sp_jout_member_str(j, SP_STR("reason"), ev->reason);
	sp_jout_member_str(j, SP_STR("type"), ev->is_warning ? SP_STR("Warning") : SP_STR("Normal"));
	sp_jout_member_str(j, series ? SP_STR("reportingController") : SP_STR("reportingComponent"),
			   e->o.component);
	sp_jout_member_str(j, SP_STR("reportingInstance"),
			   e->o.host.len > 0 || !series ? e->o.host : e->o.component);
	if (series) {
		sp_jout_member_str(j, SP_STR("action"), ev->action.len > 0 ? ev->action : ev->reason);
		sp_jout_member_str(j, SP_STR("note"), message);
		member_time(j, "eventTime", m->first_wall_ns, 6);
	} else {
		sp_jout_member_open(j, SP_STR("source"), '{');
		sp_jout_member_str(j, SP_STR("component"), e->o.component);
		member_if(j, "host", e->o.host);
		sp_jout_close(j, '}');
	}
	write_count(e, j, m, message);
}

static void write_patch(const sp_events *e, sp_buf *out, const memo *m, sp_str message)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	write_count(e, &j, m, message);
	sp_jout_close(&j, '}');
}

static void write_out(sp_events *e, const sp_event *ev, const memo *m, sp_str message, bool is_new)
{
	SP_AUTO_BUF create, patch;
	sp_buf_init(&create, BODY_BYTES_MAX);
	sp_buf_init(&patch, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&create);
	sp_jout_open(&j, '{');
	write_event(e, &j, ev, m, message);
	sp_jout_close(&j, '}');
	if (!is_new)
		write_patch(e, &patch, m, message);
	if (sp_buf_code(&create) == SP_OK && sp_buf_code(&patch) == SP_OK)
		enqueue(e, sp_str_c(m->ns), sp_str_c(m->name), sp_buf_view(&create), sp_buf_view(&patch));
	else
		e->n_dropped++;
}

/* ---- remembering ---- */

static void name_event(sp_events *e, memo *m, const sp_event *ev)
{
	sp_str about = sp_str_sub(ev->about.name, 0, EVENT_NAME_BYTES - 1 - NAME_TAIL_BYTES);
	sp_str ns = ev->about.ns.len > 0 ? ev->about.ns : SP_STR("default");
	e->name_ns = SP_MAX(sp_wall_ns(e->world) + e->skew_ns, e->name_ns + 1); /* no name twice */
	(void)snprintf(m->name, sizeof m->name, SP_FMT ".%llx", SP_ARG(about),
		       (unsigned long long)e->name_ns);
	(void)snprintf(m->ns, sizeof m->ns, SP_FMT, SP_ARG(ns));
}

/* The memo of what is to be written, counted; NULL: nothing is written. */
static memo *remember(sp_events *e, memo_key key, const sp_event *ev, bool *ret_new)
{
	uint64_t now = sp_now_ns(e->world);
	memo *m = memo_get(&e->written, key, ret_new);
	if (m == NULL)
		return NULL;
	if (!*ret_new && now - m->last_ns > FORGET_NS) {
		m->count = 0;
		*ret_new = true;
	}
	m->last_ns = now;
	m->last_wall_ns = sp_wall_ns(e->world);
	if (m->count++ == 0) {
		m->first_wall_ns = m->last_wall_ns;
		name_event(e, m, ev);
	}
	return m;
}

#define ABOUT_PARTS ((size_t)7)
static void about_parts(const sp_event_ref *r, sp_str out[ABOUT_PARTS])
{
	out[0] = r->kind;
	out[1] = r->ns;
	out[2] = r->name;
	out[3] = r->uid;
	out[4] = r->api_version;
	out[5] = r->field_path;
	out[6] = SP_STR("");
}

static void emit_core(sp_events *e, const sp_event *ev, sp_str message)
{
	uint64_t now = sp_now_ns(e->world);
	sp_str parts[ABOUT_PARTS + 3];
	bool is_new;
	about_parts(&ev->about, parts);
	memo *m = memo_get(&e->spam, memo_key_of(parts, ABOUT_PARTS), &is_new);
	if (m == NULL || !memo_take_token(m, now))
		return;
	parts[ABOUT_PARTS] = ev->is_warning ? SP_STR("W") : SP_STR("N");
	parts[ABOUT_PARTS + 1] = ev->reason;
	memo_key similar = memo_key_of(parts, ABOUT_PARTS + 2);
	m = memo_get(&e->similar, similar, &is_new);
	if (m == NULL)
		return;
	parts[ABOUT_PARTS + 2] = message;
	memo_key key = memo_key_of(parts, ABOUT_PARTS + 3);
	char combined[sizeof COMBINED + MESSAGE_BYTES_MAX];
	if (memo_is_similar(m, key.at[0], now)) {
		int n = snprintf(combined, sizeof combined, COMBINED SP_FMT, SP_ARG(message));
		message = sp_str_sub((sp_str){combined, (size_t)n}, 0, MESSAGE_BYTES_MAX);
		key = similar;
	}
	m = remember(e, key, ev, &is_new);
	if (m != NULL)
		write_out(e, ev, m, message, is_new);
}

/* ---- series ---- */

static void on_flush(sp_timer *t)
{
	sp_events *e = t->arg;
	SP_LIST_FOREACH (node, &e->written.order) {
		memo *m = SP_CONTAINER_OF(node, memo, node);
		SP_AUTO_BUF patch;
		sp_buf_init(&patch, BODY_BYTES_MAX);
		if (!m->is_behind)
			continue;
		m->is_behind = false;
		write_patch(e, &patch, m, SP_STR(""));
		if (sp_buf_code(&patch) == SP_OK)
			enqueue(e, sp_str_c(m->ns), sp_str_c(m->name), SP_STR(""), sp_buf_view(&patch));
	}
}

static void emit_series(sp_events *e, const sp_event *ev, sp_str message)
{
	sp_str parts[2 * ABOUT_PARTS + 3];
	bool is_new;
	static const sp_event_ref nothing;
	about_parts(&ev->about, parts);
	about_parts(ev->related != NULL ? ev->related : &nothing, parts + ABOUT_PARTS);
	parts[2 * ABOUT_PARTS] = ev->is_warning ? SP_STR("W") : SP_STR("N");
	parts[2 * ABOUT_PARTS + 1] = ev->reason;
	parts[2 * ABOUT_PARTS + 2] = ev->action;
	memo *m = remember(e, memo_key_of(parts, SP_LEN(parts)), ev, &is_new);
	if (m == NULL)
		return;
	if (m->count <= 2) { /* the first, and the one that makes it a series */
		write_out(e, ev, m, message, is_new);
		return;
	}
	m->is_behind = true;
	if (!sp_timer_is_running(&e->flush))
		sp_timer_start(e->world, &e->flush, FLUSH_NS, on_flush);
}

/* ---- the recorder ---- */

void sp_events_emit(sp_events *e, const sp_event *ev)
{
	sp_str message = ev->message;
	if (message.len > MESSAGE_BYTES_MAX) { /* not within a character */
		message.len = MESSAGE_BYTES_MAX;
		while (message.len > 0 && ((unsigned char)message.ptr[message.len] & 0xc0) == 0x80)
			message.len--;
	}
	if (e->o.series)
		emit_series(e, ev, message);
	else
		emit_core(e, ev, message);
}

void sp_events_emitf(sp_events *e, const sp_event_ref *about, bool is_warning, const char *reason,
		     const char *fmt, ...)
{
	char text[MESSAGE_BYTES_MAX + 1];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t len = n < 0 ? 0 : SP_MIN((size_t)n, sizeof text - 1);
	sp_events_emit(e, &(sp_event){.about = *about,
				      .is_warning = is_warning,
				      .reason = sp_str_c(reason),
				      .message = {text, len}});
}

sp_code sp_events_new(const sp_events_opts *o, sp_events **ret, sp_err *err)
{
	sp_events *e = SP_NEW(sp_events);
	e->o = *o;
	e->world = sp_client_world(o->client);
	e->skew_ns = (int64_t)(sp_random_u64(e->world) % NAME_SKEW_NS);
	e->call = (sp_call){.done = on_written, .arg = e};
	e->timer.arg = e->flush.arg = e;
	sp_arena_init(&e->arena, (size_t)1 << 16);
	sp_list_init(&e->items);
	memo_init(&e->spam);
	memo_init(&e->similar);
	memo_init(&e->written);
	e->o.component = sp_arena_try_dup(&e->arena, o->component);
	e->o.host = sp_arena_try_dup(&e->arena, o->host);
	if (e->o.component.ptr == NULL || e->o.host.ptr == NULL) {
		sp_events_free(e);
		return sp_fail(err, SP_ENOMEM, "no memory for an event recorder");
	}
	*ret = e;
	return SP_OK;
}

void sp_events_free(sp_events *e)
{
	if (e == NULL)
		return;
	sp_timer_stop(e->world, &e->timer);
	sp_timer_stop(e->world, &e->flush);
	sp_call_cancel(&e->call);
	while (!sp_list_is_empty(&e->items))
		drop_first(e);
	memo_done(&e->spam);
	memo_done(&e->similar);
	memo_done(&e->written);
	sp_arena_done(&e->arena);
	sp_free(e);
}
